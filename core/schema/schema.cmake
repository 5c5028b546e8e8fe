# The rows become read-only tables at build time; OpenAPI documents are made from the same rows (core/schema/openapi.h).
find_package(Python3 REQUIRED COMPONENTS Interpreter)
set(schema_rows ${CMAKE_SOURCE_DIR}/core/schema/rows)
set(schema_generated ${CMAKE_BINARY_DIR}/generated)
file(MAKE_DIRECTORY ${schema_generated})
add_custom_command(
  OUTPUT ${schema_generated}/schema_tables.cc
  COMMAND ${Python3_EXECUTABLE} ${schema_rows}/compile.py ${schema_rows} ${schema_generated}/schema_tables.cc
  DEPENDS ${schema_rows}/compile.py ${schema_rows}/types.tsv ${schema_rows}/enums.tsv
  VERBATIM)
target_sources(core_schema PRIVATE ${schema_generated}/schema_tables.cc)
