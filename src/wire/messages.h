/* The one list of messages. A message = one line here, one message in proto/eider.proto, one line
 * in the handler table of whoever receives it.
 *
 * X(name, number on the wire, protobuf struct, protobuf function prefix, who may send it)
 * Senders are bits of enum ei_role; a frame from a peer whose certificate has another role closes
 * the connection. EXECUTOR speaks over a socket pair only. */
#ifndef EIDER_WIRE_MESSAGES_H
#define EIDER_WIRE_MESSAGES_H

#include "eider.pb-c.h"

enum ei_role {
    EI_ROLE_MASTER = 1,
    EI_ROLE_GATEWAY = 2,
    EI_ROLE_WORKER = 4,
    EI_ROLE_CLIENT = 8, /* people: the command line's certificate */
    EI_ROLE_EXECUTOR = 16,
};
#define EI_ROLE_ANY 15

#define EI_MESSAGES(X)                                                                             \
    X(HELLO, 1, Eider__V1__Hello, eider__v1__hello, EI_ROLE_ANY)                                   \
    X(HELLO_REPLY, 2, Eider__V1__HelloReply, eider__v1__hello_reply, EI_ROLE_ANY)                  \
    X(REPLY, 3, Eider__V1__Reply, eider__v1__reply, EI_ROLE_ANY)                                   \
    X(REGISTER, 10, Eider__V1__Register, eider__v1__register, EI_ROLE_WORKER | EI_ROLE_GATEWAY)    \
    X(REGISTER_REPLY, 11, Eider__V1__RegisterReply, eider__v1__register_reply, EI_ROLE_MASTER)     \
    X(HEARTBEAT, 12, Eider__V1__Heartbeat, eider__v1__heartbeat, EI_ROLE_WORKER | EI_ROLE_GATEWAY) \
    X(SUBMIT_JOB, 20, Eider__V1__SubmitJob, eider__v1__submit_job, EI_ROLE_GATEWAY)                \
    X(SUBMIT_JOB_REPLY, 21, Eider__V1__SubmitJobReply, eider__v1__submit_job_reply,                \
      EI_ROLE_MASTER)                                                                              \
    X(CANCEL_JOB, 22, Eider__V1__CancelJob, eider__v1__cancel_job, EI_ROLE_GATEWAY)                \
    X(RELEASE_JOB, 23, Eider__V1__ReleaseJob, eider__v1__release_job, EI_ROLE_GATEWAY)             \
    X(JOB_UPDATE, 24, Eider__V1__JobUpdate, eider__v1__job_update, EI_ROLE_MASTER)                 \
    X(GET_RESULT, 25, Eider__V1__GetResult, eider__v1__get_result, EI_ROLE_GATEWAY)                \
    X(GET_RESULT_REPLY, 26, Eider__V1__GetResultReply, eider__v1__get_result_reply,                \
      EI_ROLE_MASTER)                                                                              \
    X(RUN_SQL, 27, Eider__V1__RunSql, eider__v1__run_sql, EI_ROLE_MASTER)                          \
    X(CATALOG_CREATE, 30, Eider__V1__CatalogCreate, eider__v1__catalog_create, EI_ROLE_GATEWAY)    \
    X(CATALOG_DROP, 31, Eider__V1__CatalogDrop, eider__v1__catalog_drop, EI_ROLE_GATEWAY)          \
    X(CATALOG_LIST, 32, Eider__V1__CatalogList, eider__v1__catalog_list, EI_ROLE_GATEWAY)          \
    X(CATALOG_LIST_REPLY, 33, Eider__V1__CatalogListReply, eider__v1__catalog_list_reply,          \
      EI_ROLE_MASTER)                                                                              \
    X(ASSIGN, 40, Eider__V1__Assign, eider__v1__assign, EI_ROLE_MASTER)                            \
    X(KILL_TASKS, 41, Eider__V1__KillTasks, eider__v1__kill_tasks, EI_ROLE_MASTER)                 \
    X(FORGET_JOBS, 42, Eider__V1__ForgetJobs, eider__v1__forget_jobs, EI_ROLE_MASTER)              \
    X(TASK_EVENTS, 43, Eider__V1__TaskEvents, eider__v1__task_events, EI_ROLE_WORKER)              \
    X(READ_OUTPUT, 50, Eider__V1__ReadOutput, eider__v1__read_output,                              \
      EI_ROLE_WORKER | EI_ROLE_GATEWAY)                                                            \
    X(READ_OUTPUT_REPLY, 51, Eider__V1__ReadOutputReply, eider__v1__read_output_reply,             \
      EI_ROLE_WORKER)                                                                              \
    X(EXECUTOR_SETUP, 60, Eider__V1__ExecutorSetup, eider__v1__executor_setup, EI_ROLE_WORKER)     \
    X(EXECUTOR_READY, 61, Eider__V1__ExecutorReady, eider__v1__executor_ready, EI_ROLE_EXECUTOR)   \
    X(RUN_TASK, 62, Eider__V1__RunTask, eider__v1__run_task, EI_ROLE_WORKER)                       \
    X(STOP_TASK, 63, Eider__V1__StopTask, eider__v1__stop_task, EI_ROLE_WORKER)                    \
    X(TASK_FINISHED, 64, Eider__V1__TaskFinished, eider__v1__task_finished, EI_ROLE_EXECUTOR)

enum ei_msg {
#define X(name, number, type, prefix, senders) EI_MSG_##name = number,
    EI_MESSAGES(X)
#undef X
};

struct ei_msg_info {
    uint16_t type;
    const char *name;
    const ProtobufCMessageDescriptor *descriptor;
    unsigned senders;
};

/* NULL for a number that is not in the list. */
const struct ei_msg_info *ei_msg_info(uint16_t type);
/* The type that carries messages of this descriptor, 0 if none does. */
uint16_t ei_msg_type(const ProtobufCMessageDescriptor *descriptor);

#endif
