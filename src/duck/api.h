/* libduckdb, loaded at run time by the processes that need it (executor, gateway) and by no other.
 *
 * Each function of DuckDB's C API that we call is in the list below. api.c defines a small
 * trampoline of the same name for each, so callers include this header and call duckdb_open() as
 * usual; the trampolines jump through pointers that ei_duck_load fills. A function missing in the
 * library is an error of ei_duck_load, and of the build (tests/unit/test_duck_api.c loads it). */
#ifndef EIDER_DUCK_API_H
#define EIDER_DUCK_API_H

#include "base/error.h"

#include <duckdb.h>

#define EI_DUCK_FUNCTIONS(X)                                                                       \
    X(duckdb_open_ext)                                                                             \
    X(duckdb_close)                                                                                \
    X(duckdb_connect)                                                                              \
    X(duckdb_disconnect)                                                                           \
    X(duckdb_interrupt)                                                                            \
    X(duckdb_library_version)                                                                      \
    X(duckdb_create_config)                                                                        \
    X(duckdb_set_config)                                                                           \
    X(duckdb_destroy_config)                                                                       \
    X(duckdb_query)                                                                                \
    X(duckdb_free)                                                                                 \
    X(duckdb_malloc)                                                                               \
    X(duckdb_array_type_array_size)                                                                \
    X(duckdb_array_type_child_type)                                                                \
    X(duckdb_array_vector_get_child)                                                               \
    X(duckdb_bind_add_result_column)                                                               \
    X(duckdb_bind_get_parameter)                                                                   \
    X(duckdb_bind_set_bind_data)                                                                   \
    X(duckdb_bind_set_cardinality)                                                                 \
    X(duckdb_bind_set_error)                                                                       \
    X(duckdb_column_count)                                                                         \
    X(duckdb_create_logical_type)                                                                  \
    X(duckdb_create_scalar_function)                                                               \
    X(duckdb_create_table_function)                                                                \
    X(duckdb_data_chunk_get_column_count)                                                          \
    X(duckdb_data_chunk_get_size)                                                                  \
    X(duckdb_data_chunk_get_vector)                                                                \
    X(duckdb_data_chunk_set_size)                                                                  \
    X(duckdb_decimal_internal_type)                                                                \
    X(duckdb_decimal_scale)                                                                        \
    X(duckdb_decimal_width)                                                                        \
    X(duckdb_destroy_data_chunk)                                                                   \
    X(duckdb_destroy_logical_type)                                                                 \
    X(duckdb_destroy_pending)                                                                      \
    X(duckdb_destroy_prepare)                                                                      \
    X(duckdb_destroy_result)                                                                       \
    X(duckdb_destroy_scalar_function)                                                              \
    X(duckdb_destroy_table_function)                                                               \
    X(duckdb_destroy_value)                                                                        \
    X(duckdb_enum_dictionary_size)                                                                 \
    X(duckdb_enum_dictionary_value)                                                                \
    X(duckdb_enum_internal_type)                                                                   \
    X(duckdb_execute_pending)                                                                      \
    X(duckdb_fetch_chunk)                                                                          \
    X(duckdb_function_get_bind_data)                                                               \
    X(duckdb_function_get_init_data)                                                               \
    X(duckdb_function_get_local_init_data)                                                         \
    X(duckdb_function_set_error)                                                                   \
    X(duckdb_get_int64)                                                                            \
    X(duckdb_get_type_id)                                                                          \
    X(duckdb_get_uint64)                                                                           \
    X(duckdb_init_get_bind_data)                                                                   \
    X(duckdb_init_get_column_count)                                                                \
    X(duckdb_init_get_column_index)                                                                \
    X(duckdb_init_set_error)                                                                       \
    X(duckdb_init_set_init_data)                                                                   \
    X(duckdb_init_set_max_threads)                                                                 \
    X(duckdb_list_type_child_type)                                                                 \
    X(duckdb_list_vector_get_child)                                                                \
    X(duckdb_list_vector_reserve)                                                                  \
    X(duckdb_list_vector_set_size)                                                                 \
    X(duckdb_logical_type_get_alias)                                                               \
    X(duckdb_map_type_key_type)                                                                    \
    X(duckdb_map_type_value_type)                                                                  \
    X(duckdb_pending_error)                                                                        \
    X(duckdb_pending_prepared_streaming)                                                           \
    X(duckdb_prepare)                                                                              \
    X(duckdb_prepare_error)                                                                        \
    X(duckdb_prepared_statement_column_count)                                                      \
    X(duckdb_prepared_statement_column_logical_type)                                               \
    X(duckdb_register_scalar_function)                                                             \
    X(duckdb_register_table_function)                                                              \
    X(duckdb_result_error)                                                                         \
    X(duckdb_result_error_type)                                                                    \
    X(duckdb_row_count)                                                                            \
    X(duckdb_scalar_function_add_parameter)                                                        \
    X(duckdb_scalar_function_set_error)                                                            \
    X(duckdb_scalar_function_set_function)                                                         \
    X(duckdb_scalar_function_set_name)                                                             \
    X(duckdb_scalar_function_set_return_type)                                                      \
    X(duckdb_scalar_function_set_special_handling)                                                 \
    X(duckdb_scalar_function_set_varargs)                                                          \
    X(duckdb_scalar_function_set_volatile)                                                         \
    X(duckdb_struct_type_child_count)                                                              \
    X(duckdb_struct_type_child_name)                                                               \
    X(duckdb_struct_type_child_type)                                                               \
    X(duckdb_struct_vector_get_child)                                                              \
    X(duckdb_table_function_add_parameter)                                                         \
    X(duckdb_table_function_set_bind)                                                              \
    X(duckdb_table_function_set_function)                                                          \
    X(duckdb_table_function_set_init)                                                              \
    X(duckdb_table_function_set_local_init)                                                        \
    X(duckdb_table_function_set_name)                                                              \
    X(duckdb_table_function_supports_projection_pushdown)                                          \
    X(duckdb_union_type_member_count)                                                              \
    X(duckdb_union_type_member_name)                                                               \
    X(duckdb_union_type_member_type)                                                               \
    X(duckdb_validity_set_row_invalid)                                                             \
    X(duckdb_value_varchar)                                                                        \
    X(duckdb_vector_assign_string_element_len)                                                     \
    X(duckdb_vector_ensure_validity_writable)                                                      \
    X(duckdb_vector_get_column_type)                                                               \
    X(duckdb_vector_get_data)                                                                      \
    X(duckdb_vector_get_validity)                                                                  \
    X(duckdb_vector_size)                                                                          \
    X(duckdb_prepared_statement_column_name)                                                       \
    X(duckdb_column_type)                                                                          \
    X(duckdb_nparams)                                                                              \
    X(duckdb_string_t_data)                                                                        \
    X(duckdb_string_t_length)                                                                      \
    X(duckdb_bind_varchar)                                                                         \
    X(duckdb_execute_prepared)                                                                     \
    X(duckdb_validity_row_is_valid)

/* Loads the library (idempotent, not thread-safe against itself). Looks at, in this order: the
 * environment variable EIDER_LIBDUCKDB, libduckdb.so beside this program or in ../lib/eider of it,
 * the path given at build time. EI_NOT_FOUND and a sentence if there is none. */
int ei_duck_load(struct ei_error *e);

#endif
