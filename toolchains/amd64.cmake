# Toolchain file: 64-bit PCs, static-pie.
# Used as -DCMAKE_TOOLCHAIN_FILE=toolchains/amd64.cmake. Keep the flags in step with deps.sh.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(BRAMBLE_ARCH amd64)
set(CMAKE_LIBRARY_ARCHITECTURE x86_64-linux-gnu)

set(CMAKE_C_COMPILER x86_64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER x86_64-linux-gnu-g++)
# The wrappers of gcc, which understand archives of LTO objects.
set(CMAKE_AR /usr/bin/x86_64-linux-gnu-gcc-ar)
set(CMAKE_RANLIB /usr/bin/x86_64-linux-gnu-gcc-ranlib)
set(CMAKE_NM /usr/bin/x86_64-linux-gnu-gcc-nm)
set(CMAKE_STRIP /usr/bin/x86_64-linux-gnu-strip)
set(CMAKE_OBJCOPY /usr/bin/x86_64-linux-gnu-objcopy)

set(CMAKE_C_FLAGS_INIT "-fPIE -ffunction-sections -fdata-sections -fno-plt")
set(CMAKE_CXX_FLAGS_INIT "${CMAKE_C_FLAGS_INIT}")
set(CMAKE_EXE_LINKER_FLAGS_INIT "-static-pie -Wl,--gc-sections")

