#include "wire/frame.h"

#include "base/mem.h"

#include <endian.h>
#include <string.h>

void ei_frame_put_header(uint8_t out[EI_FRAME_HEADER_BYTES], uint16_t type, uint8_t flags,
                         uint64_t request, uint32_t payload_len) {
    EI_ASSERT(payload_len <= EI_FRAME_PAYLOAD_MAX);
    uint32_t len_le = htole32(payload_len);
    uint16_t type_le = htole16(type);
    uint64_t request_le = htole64(request);
    memcpy(out, &len_le, 4);
    memcpy(out + 4, &type_le, 2);
    out[6] = EI_PROTOCOL_VERSION;
    out[7] = flags;
    memcpy(out + 8, &request_le, 8);
}

int64_t ei_frame_decode(const uint8_t *data, size_t len, uint32_t max_payload,
                        struct ei_frame *frame, struct ei_error *e) {
    EI_ASSERT(max_payload <= EI_FRAME_PAYLOAD_MAX);
    if (len < EI_FRAME_HEADER_BYTES)
        return 0;
    uint32_t payload_len;
    uint16_t type;
    uint64_t request;
    memcpy(&payload_len, data, 4);
    memcpy(&type, data + 4, 2);
    memcpy(&request, data + 8, 8);
    payload_len = le32toh(payload_len);
    if (data[6] != EI_PROTOCOL_VERSION)
        return ei_fail(e, EI_UNSUPPORTED, "the peer speaks protocol version %u, this program %u",
                       data[6], EI_PROTOCOL_VERSION);
    if ((data[7] & ~EI_FRAME_FLAG_REPLY) != 0)
        return ei_fail(e, EI_CORRUPT, "a frame has unknown flags 0x%02x", data[7]);
    if (payload_len > max_payload)
        return ei_fail(e, EI_LIMIT, "a frame of %u bytes is over the limit of %u", payload_len,
                       max_payload);
    if (len - EI_FRAME_HEADER_BYTES < payload_len)
        return 0;
    frame->type = le16toh(type);
    frame->flags = data[7];
    frame->request = le64toh(request);
    frame->payload = data + EI_FRAME_HEADER_BYTES;
    frame->payload_len = payload_len;
    return EI_FRAME_HEADER_BYTES + (int64_t)payload_len;
}
