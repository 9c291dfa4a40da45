#include "wire/messages.h"

#include "base/mem.h"

static const struct ei_msg_info MESSAGES[] = {
#define X(name, number, type, prefix, senders) {number, #name, &prefix##__descriptor, senders},
    EI_MESSAGES(X)
#undef X
};

const struct ei_msg_info *ei_msg_info(uint16_t type) {
    for (size_t i = 0; i < EI_ARRAY_LEN(MESSAGES); i++)
        if (MESSAGES[i].type == type)
            return &MESSAGES[i];
    return NULL;
}

uint16_t ei_msg_type(const ProtobufCMessageDescriptor *descriptor) {
    for (size_t i = 0; i < EI_ARRAY_LEN(MESSAGES); i++)
        if (MESSAGES[i].descriptor == descriptor)
            return MESSAGES[i].type;
    return 0;
}
