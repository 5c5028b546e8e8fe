# Toolchain file: 64-bit Raspberry Pis (3, 4, 5, Zero 2), static-pie.
# Used as -DCMAKE_TOOLCHAIN_FILE=toolchains/arm64.cmake. Keep the flags in step with deps.sh.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(BRAMBLE_ARCH arm64)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)

set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
# The wrappers of gcc, which understand archives of LTO objects.
set(CMAKE_AR /usr/bin/aarch64-linux-gnu-gcc-ar)
set(CMAKE_RANLIB /usr/bin/aarch64-linux-gnu-gcc-ranlib)
set(CMAKE_NM /usr/bin/aarch64-linux-gnu-gcc-nm)
set(CMAKE_STRIP /usr/bin/aarch64-linux-gnu-strip)
set(CMAKE_OBJCOPY /usr/bin/aarch64-linux-gnu-objcopy)

# Without -fno-plt: each function called would have an entry in the GOT, of which the code of glibc's static library reaches 32 kB.
set(CMAKE_C_FLAGS_INIT "-fPIE -ffunction-sections -fdata-sections")
set(CMAKE_CXX_FLAGS_INIT "${CMAKE_C_FLAGS_INIT}")
set(CMAKE_EXE_LINKER_FLAGS_INIT "-static-pie -Wl,--gc-sections")
set(CMAKE_CROSSCOMPILING_EMULATOR /usr/bin/qemu-aarch64-static)

# Nothing of the build machine is linked: libraries come from BRAMBLE_DEPS.
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
