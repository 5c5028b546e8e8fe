# The binary: everything meets here, and nowhere else.
file(GLOB app_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/core/app/*.cc)
add_executable(bramble ${app_sources})
target_link_libraries(bramble PRIVATE core_apiserver core_controllers core_scheduler core_kubelet core_proxy core_dns storage
  cni images provision)
target_link_options(bramble PRIVATE -static -Wl,--gc-sections)
if(CMAKE_BUILD_TYPE STREQUAL "MinSizeRel")
  target_link_options(bramble PRIVATE -s)
endif()
