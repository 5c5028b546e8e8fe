# The binary: everything meets here, and nowhere else.
include(${CMAKE_CURRENT_LIST_DIR}/build_facts.cmake)
bramble_room(core/app USES core/quarantine core/apiserver core/controllers core/scheduler core/kubelet core/network core/proxy core/dns storage cni images provision)
add_executable(bramble ${CMAKE_SOURCE_DIR}/core/app/bramble_main.cc)
target_link_libraries(bramble PRIVATE core_app)
if(NOT CMAKE_TOOLCHAIN_FILE)  # they say -static or -static-pie themselves; both together make a file that cannot start
  target_link_options(bramble PRIVATE -static -Wl,--gc-sections)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "MinSizeRel")
  target_link_options(bramble PRIVATE -s)
endif()
