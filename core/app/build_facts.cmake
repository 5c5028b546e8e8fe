# What the binary says of its build (core/app/version.h): the same for two builds of the same sources.
function(ask_git variable)
  execute_process(COMMAND git -C ${CMAKE_SOURCE_DIR} ${ARGN} OUTPUT_VARIABLE answer OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
  if(failed)
    set(answer "")
  endif()
  set(${variable} "${answer}" PARENT_SCOPE)
endfunction()

ask_git(BRAMBLE_BUILD_COMMIT rev-parse HEAD)
ask_git(BRAMBLE_BUILD_TIME_S log -1 --format=%ct HEAD)
set(BRAMBLE_BUILD_TREE archive)
if(BRAMBLE_BUILD_COMMIT)
  ask_git(changed status --porcelain --untracked-files=no)
  set(BRAMBLE_BUILD_TREE clean)
  if(changed)
    set(BRAMBLE_BUILD_TREE dirty)
  endif()
  ask_git(log rev-parse --path-format=absolute --git-path logs/HEAD)
  if(EXISTS "${log}")  # the next commit is another build
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${log}")
  endif()
endif()
if(DEFINED ENV{SOURCE_DATE_EPOCH})
  set(BRAMBLE_BUILD_TIME_S $ENV{SOURCE_DATE_EPOCH})
endif()
if(NOT BRAMBLE_BUILD_TIME_S MATCHES "^[0-9]+$")
  set(BRAMBLE_BUILD_TIME_S 1795219200)  # 2026-11-21: sources without their history
endif()
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/build_facts.h CONTENT [[
#define BRAMBLE_BUILD_TIME_S @BRAMBLE_BUILD_TIME_S@
#define BRAMBLE_BUILD_COMMIT "@BRAMBLE_BUILD_COMMIT@"
#define BRAMBLE_BUILD_TREE "@BRAMBLE_BUILD_TREE@"
]] @ONLY)
