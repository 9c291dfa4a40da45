/* The gateway: SQL over HTTP in, jobs out, rows back. Stateless: everything that must last is the
 * master's. */
#ifndef EIDER_GATEWAY_GATEWAY_H
#define EIDER_GATEWAY_GATEWAY_H

int ei_gateway_main(int argc, char **argv);

#endif
