# Toolchain file: Raspberry Pi 1 and Zero (ARMv6 with VFP), built by the armel compiler, static.
# Used as -DCMAKE_TOOLCHAIN_FILE=toolchains/armv6.cmake. Keep the flags in step with deps.sh.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR armv6l)
set(BRAMBLE_ARCH armv6)
set(CMAKE_LIBRARY_ARCHITECTURE arm-linux-gnueabi)

set(CMAKE_C_COMPILER arm-linux-gnueabi-gcc)
set(CMAKE_CXX_COMPILER arm-linux-gnueabi-g++)
# The wrappers of gcc, which understand archives of LTO objects.
set(CMAKE_AR /usr/bin/arm-linux-gnueabi-gcc-ar)
set(CMAKE_RANLIB /usr/bin/arm-linux-gnueabi-gcc-ranlib)
set(CMAKE_NM /usr/bin/arm-linux-gnueabi-gcc-nm)
set(CMAKE_STRIP /usr/bin/arm-linux-gnueabi-strip)
set(CMAKE_OBJCOPY /usr/bin/arm-linux-gnueabi-objcopy)

set(CMAKE_C_FLAGS_INIT "-march=armv6 -mfpu=vfp -mfloat-abi=softfp -marm -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64 -fno-pie -ffunction-sections -fdata-sections -fno-plt")
set(CMAKE_CXX_FLAGS_INIT "${CMAKE_C_FLAGS_INIT} -Wno-psabi")  # nothing crosses to code of another compiler
set(CMAKE_EXE_LINKER_FLAGS_INIT "-static -no-pie -Wl,--gc-sections")
# ARMv6 has no 64-bit atomic instructions: std::atomic of 64 bits calls libatomic.
set(CMAKE_CXX_STANDARD_LIBRARIES_INIT -latomic)
# The processor of a Pi Zero and Pi 1, so that an instruction of ARMv7 fails in a test and not on the board.
set(CMAKE_CROSSCOMPILING_EMULATOR /usr/bin/qemu-arm-static;-cpu;arm1176)

# Nothing of the build machine is linked: libraries come from BRAMBLE_DEPS.
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
