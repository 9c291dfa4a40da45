/* Numbers that stand for our objects inside SQL text. They are random, so a statement cannot name
 * an object that was not given to it, and live as long as the object is of use. */
#ifndef EIDER_DUCK_HANDLES_H
#define EIDER_DUCK_HANDLES_H

#include <stdint.h>

enum ei_handle_kind { EI_HANDLE_SINK = 1, EI_HANDLE_SOURCE = 2 };

uint64_t ei_handle_add(enum ei_handle_kind kind, void *object);
void *ei_handle_get(enum ei_handle_kind kind, uint64_t handle); /* NULL if unknown */
void ei_handle_remove(uint64_t handle);

#endif
