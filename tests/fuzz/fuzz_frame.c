/* Frames and all message types: nothing that a peer can send may break the decoder. */
#include "wire/frame.h"
#include "wire/messages.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    for (;;) {
        struct ei_frame f;
        struct ei_error e;
        int64_t used = ei_frame_decode(data, size, 1u << 20, &f, &e);
        if (used <= 0)
            return 0;
        if ((uint64_t)used > size)
            abort();
        const struct ei_msg_info *info = ei_msg_info(f.type);
        if (info != NULL) {
            ProtobufCMessage *m =
                protobuf_c_message_unpack(info->descriptor, NULL, f.payload_len, f.payload);
            if (m != NULL && ei_msg_type(m->descriptor) != f.type)
                abort();
            if (m != NULL)
                protobuf_c_message_free_unpacked(m, NULL);
        }
        data += used;
        size -= (size_t)used;
    }
}
