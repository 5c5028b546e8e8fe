# The shim: a program of its own, built first and carried inside bramble as bytes (shim_binary.cc). Without the C++ library.
add_executable(bramble-shim core/runtime/shim/shim_main.cc)
target_include_directories(bramble-shim PRIVATE ${CMAKE_SOURCE_DIR})
target_compile_options(bramble-shim PRIVATE -Os -Wall -Wextra -Wshadow -Werror -fno-exceptions -fno-rtti -fno-threadsafe-statics
  -fno-asynchronous-unwind-tables -ffunction-sections -fdata-sections -fno-sanitize=all)
set_target_properties(bramble-shim PROPERTIES LINKER_LANGUAGE C)
target_link_options(bramble-shim PRIVATE -Wl,--gc-sections -s -fno-sanitize=all)
if(NOT CMAKE_TOOLCHAIN_FILE)
  target_link_options(bramble-shim PRIVATE -static)
endif()
set_source_files_properties(core/runtime/shim_binary.cc PROPERTIES
  OBJECT_DEPENDS ${CMAKE_BINARY_DIR}/bramble-shim
  COMPILE_DEFINITIONS BRAMBLE_SHIM_FILE="${CMAKE_BINARY_DIR}/bramble-shim"
  COMPILE_OPTIONS -fno-lto)
add_dependencies(core_runtime bramble-shim)

# A release carries a static runc, compressed. Without one a node takes the runc of the machine.
set(BRAMBLE_RUNC "" CACHE FILEPATH "a static runc of the target (toolchains/runc.sh) to carry inside; empty: none")
if(BRAMBLE_RUNC)
  find_program(ZSTD zstd REQUIRED)
  set(packed ${CMAKE_BINARY_DIR}/generated/runc.zst)
  add_custom_command(OUTPUT ${packed} DEPENDS ${BRAMBLE_RUNC}
    COMMAND ${ZSTD} --quiet --force --ultra -22 --no-progress -o ${packed} ${BRAMBLE_RUNC})
  add_custom_target(bramble-runc DEPENDS ${packed})
  set_source_files_properties(core/runtime/carried_runc.cc PROPERTIES
    OBJECT_DEPENDS ${packed} COMPILE_DEFINITIONS BRAMBLE_RUNC_FILE="${packed}" COMPILE_OPTIONS -fno-lto)
  add_dependencies(core_runtime bramble-runc)
endif()
