# Toolchain file: 32-bit Raspberry Pis with ARMv7 (2, 3, 4), static; 32-bit glibc has no static-pie.
# Used as -DCMAKE_TOOLCHAIN_FILE=toolchains/armhf.cmake. Keep the flags in step with deps.sh.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR armv7l)
set(BRAMBLE_ARCH armhf)
set(CMAKE_LIBRARY_ARCHITECTURE arm-linux-gnueabihf)

set(CMAKE_C_COMPILER arm-linux-gnueabihf-gcc)
set(CMAKE_CXX_COMPILER arm-linux-gnueabihf-g++)
# The wrappers of gcc, which understand archives of LTO objects.
set(CMAKE_AR /usr/bin/arm-linux-gnueabihf-gcc-ar)
set(CMAKE_RANLIB /usr/bin/arm-linux-gnueabihf-gcc-ranlib)
set(CMAKE_NM /usr/bin/arm-linux-gnueabihf-gcc-nm)
set(CMAKE_STRIP /usr/bin/arm-linux-gnueabihf-strip)
set(CMAKE_OBJCOPY /usr/bin/arm-linux-gnueabihf-objcopy)

set(CMAKE_C_FLAGS_INIT "-march=armv7-a -mfpu=vfpv3-d16 -mfloat-abi=hard -mthumb -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64 -fno-pie -ffunction-sections -fdata-sections -fno-plt")
set(CMAKE_CXX_FLAGS_INIT "${CMAKE_C_FLAGS_INIT} -Wno-psabi")  # nothing crosses to code of another compiler
set(CMAKE_EXE_LINKER_FLAGS_INIT "-static -no-pie -Wl,--gc-sections")
set(CMAKE_CROSSCOMPILING_EMULATOR /usr/bin/qemu-arm-static)

# Nothing of the build machine is linked: libraries come from BRAMBLE_DEPS.
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
