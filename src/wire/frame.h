/* Frames: what travels on a connection between Eider's processes.
 *
 *   offset size
 *        0    4  length of the payload in bytes, little endian
 *        4    2  message type (enum ei_msg)
 *        6    1  protocol version (EI_PROTOCOL_VERSION)
 *        7    1  flags: bit 0 = this is a reply
 *        8    8  request id: chosen by the requester, repeated in the reply; 0 = no reply wanted
 *       16    n  payload: a protobuf message (proto/eider.proto)
 *
 * A decoder that sees another version, an unknown flag or a length over the limit stops for good:
 * the connection is closed. Integrity is TLS's (or the kernel's, on a socket pair). Pure.
 */
#ifndef EIDER_WIRE_FRAME_H
#define EIDER_WIRE_FRAME_H

#include "base/buf.h"
#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define EI_PROTOCOL_VERSION 1
#define EI_FRAME_HEADER_BYTES 16
#define EI_FRAME_PAYLOAD_MAX (16u << 20)
#define EI_FRAME_FLAG_REPLY 1u

struct ei_frame {
    uint16_t type;
    uint8_t flags;
    uint64_t request;
    const uint8_t *payload; /* borrowed from the input */
    uint32_t payload_len;
};

/* Writes a header for a payload of payload_len bytes (<= EI_FRAME_PAYLOAD_MAX). */
void ei_frame_put_header(uint8_t out[EI_FRAME_HEADER_BYTES], uint16_t type, uint8_t flags,
                         uint64_t request, uint32_t payload_len);

/* Looks for one whole frame at the start of data. Returns the bytes it takes, 0 if more are needed,
 * or -1 and *e if this can never become a frame. `max_payload` <= EI_FRAME_PAYLOAD_MAX. */
int64_t ei_frame_decode(const uint8_t *data, size_t len, uint32_t max_payload,
                        struct ei_frame *frame, struct ei_error *e);

#endif
