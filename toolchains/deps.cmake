# Imported static targets deps::<name> for the libraries that deps.sh builds. Included by the root CMakeLists.txt after
# project(). BRAMBLE_DEPS is their prefix; without it deps.sh runs now for the target (minutes the first time, then at once).

if(NOT BRAMBLE_ARCH)   # set by the toolchain files; else what the compiler makes, which is not always what the kernel is
  if(CMAKE_CXX_LIBRARY_ARCHITECTURE STREQUAL "x86_64-linux-gnu")
    set(BRAMBLE_ARCH amd64)
  elseif(CMAKE_CXX_LIBRARY_ARCHITECTURE STREQUAL "aarch64-linux-gnu")
    set(BRAMBLE_ARCH arm64)
  elseif(CMAKE_CXX_LIBRARY_ARCHITECTURE STREQUAL "arm-linux-gnueabihf")
    set(BRAMBLE_ARCH armhf)
  elseif(CMAKE_CXX_LIBRARY_ARCHITECTURE STREQUAL "arm-linux-gnueabi")
    set(BRAMBLE_ARCH armv6)
  else()
    message(FATAL_ERROR "no bramble architecture for '${CMAKE_CXX_LIBRARY_ARCHITECTURE}'; give -DCMAKE_TOOLCHAIN_FILE=toolchains/<arch>.cmake")
  endif()
endif()

if(NOT BRAMBLE_DEPS)
  message(STATUS "Dependencies: toolchains/deps.sh ${BRAMBLE_ARCH}")
  execute_process(
    COMMAND ${CMAKE_CURRENT_LIST_DIR}/deps.sh ${BRAMBLE_ARCH}
    OUTPUT_VARIABLE deps_output OUTPUT_STRIP_TRAILING_WHITESPACE
    RESULT_VARIABLE deps_result)
  if(NOT deps_result EQUAL 0)
    message(FATAL_ERROR "toolchains/deps.sh ${BRAMBLE_ARCH} failed, see above")
  endif()
  string(REGEX REPLACE ".*\n" "" BRAMBLE_DEPS "${deps_output}")   # not cached: a changed deps.tsv gives a new prefix
endif()
message(STATUS "Dependencies: ${BRAMBLE_DEPS}")

# bramble_dep(NAME LIBRARY [other targets or libraries]): deps::NAME is lib/libLIBRARY.a and what it needs.
function(bramble_dep name library)
  set(file "${BRAMBLE_DEPS}/lib/lib${library}.a")
  if(NOT EXISTS "${file}")
    message(FATAL_ERROR "${file} is missing; give the prefix that toolchains/deps.sh prints as BRAMBLE_DEPS")
  endif()
  add_library(deps::${name} STATIC IMPORTED GLOBAL)
  set_target_properties(deps::${name} PROPERTIES
    IMPORTED_LOCATION "${file}"
    INTERFACE_INCLUDE_DIRECTORIES "${BRAMBLE_DEPS}/include"
    INTERFACE_SYSTEM_INCLUDE_DIRECTORIES "${BRAMBLE_DEPS}/include"
    INTERFACE_LINK_LIBRARIES "${ARGN}")
endfunction()

set(THREADS_PREFER_PTHREAD_FLAG OFF)
find_package(Threads REQUIRED)

bramble_dep(mbedcrypto mbedcrypto Threads::Threads)
bramble_dep(mbedx509 mbedx509 deps::mbedcrypto)
bramble_dep(mbedtls mbedtls deps::mbedx509 deps::mbedcrypto)
bramble_dep(sqlite sqlite3 m)
bramble_dep(uv uv Threads::Threads)
bramble_dep(yaml yaml)
bramble_dep(nghttp2 nghttp2)
set_property(TARGET deps::nghttp2 PROPERTY INTERFACE_COMPILE_DEFINITIONS NGHTTP2_STATICLIB)
bramble_dep(yyjson yyjson m)
bramble_dep(zlib z)
bramble_dep(zstd zstd)
bramble_dep(archive archive deps::zlib deps::zstd)
bramble_dep(mnl mnl)
bramble_dep(nftnl nftnl deps::mnl)
bramble_dep(http_parser http_parser)
bramble_dep(cares cares)
set_property(TARGET deps::cares PROPERTY INTERFACE_COMPILE_DEFINITIONS CARES_STATICLIB)
bramble_dep(re2 re2 Threads::Threads)
