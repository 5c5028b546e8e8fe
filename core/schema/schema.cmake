# The rows become read-only tables and compressed OpenAPI documents at build time (python3, standard library only).
find_package(Python3 REQUIRED COMPONENTS Interpreter)
set(schema_rows ${CMAKE_SOURCE_DIR}/core/schema/rows)
set(schema_generated ${CMAKE_BINARY_DIR}/generated)
file(MAKE_DIRECTORY ${schema_generated})
foreach(table compile:schema_tables openapi:openapi_tables openapi_v2:openapi_v2_tables)
  string(REGEX REPLACE ":.*" "" script ${table})
  string(REGEX REPLACE ".*:" "" output ${table})
  add_custom_command(
    OUTPUT ${schema_generated}/${output}.cc
    COMMAND ${CMAKE_COMMAND} -E env PYTHONDONTWRITEBYTECODE=1
            ${Python3_EXECUTABLE} ${schema_rows}/${script}.py ${schema_rows} ${schema_generated}/${output}.cc
    DEPENDS ${schema_rows}/compile.py ${schema_rows}/openapi.py ${schema_rows}/${script}.py ${schema_rows}/types.tsv ${schema_rows}/enums.tsv ${schema_rows}/resources.tsv
    VERBATIM)
  target_sources(core_schema PRIVATE ${schema_generated}/${output}.cc)
endforeach()
