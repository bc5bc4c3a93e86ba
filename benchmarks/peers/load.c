/* A load generator for the four formats of docs/protocol.md: one thread, epoll, every echo compared byte by byte.
 *
 *     cc -O2 -o load load.c
 *     load FORMAT HOST PORT [--connections N] [--pipeline K] [--size A[-B]] [--seconds S]
 *     load ... --connects              connect, one message, its echo, close: N at a time, as fast as it goes
 *     load ... --idle                  open N connections with one echo each, print a line, wait for stdin's end
 *     load ... --pingpong-beside M     one message at a time on one connection, beside M that stream bulk
 *
 * FORMAT is udp, text, tcpv2 or tcpv3; HOST is an IPv4 address. The loop is closed: each connection keeps K messages
 * outstanding, and sends a new one for each that came back. After S seconds nothing new is sent and what is owed is
 * waited for, so that the messages counted are the messages that the server handled. Messages of a connection
 * differ, as far as their size allows. --size is a payload's length in bytes (tcpv2: the text's length, at most 20),
 * the same for all or evenly between A and B.
 *
 * --connects closes with a FIN, as clients do. The end that closes first keeps its port for a minute; so that ports
 * do not run out, connections to 127.0.0.1 come in turn from the addresses 127.0.0.1 to 127.0.0.250.
 *
 * Output is one line of JSON. Exit status: 0 all echoes were right, 1 one was wrong, missing or late (or the server
 * cannot be reached), 2 usage.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

enum format { UDP, TEXT, TCPV2, TCPV3 };
static const char *const names[] = {"udp", "text", "tcpv2", "tcpv3"};

#define PATIENCE 5.0           /* seconds without any progress after which the server counts as stuck */
#define READ_SIZE (256 * 1024) /* bytes of one read: some frames of bulk */
#define POOL (1 << 16)         /* different places in the pool where a payload can begin */
#define MAX_SIZE (1 << 20)     /* the greatest payload: the servers' own limit */
#define ECHO "ECHO: "
#define PREFIX 6               /* its length */
#define FIXED 29               /* a frame of tcpv2 */
#define HEADER 9               /* what stands before the text in both */
#define PING_SIZE 20           /* the payload of a ping beside bulk */

struct message {
    uint32_t length; /* of the answer in the stream */
    uint64_t when;   /* it was made, ns */
};

struct connection {
    int fd;
    int watching_writes;
    uint32_t order;
    unsigned pipeline, low, high;  /* messages outstanding; their least and greatest size */
    int is_ping;
    char *bytes;                   /* what is expected: [head, tail); of it, [sent, tail) has not been sent */
    size_t head, sent, tail, capacity;
    struct message *messages;      /* a ring of the outstanding ones */
    unsigned first, outstanding, unsent;
    uint32_t arrived;              /* bytes of the first that have come */
};

static enum format format;
static struct sockaddr_in server;
static int epoll;
static int draining;
static int pings_count_only;       /* latency of pings only */
static char pool[POOL + MAX_SIZE];
static char received[READ_SIZE];
static uint32_t made;              /* messages, on all connections: what makes their texts differ */
static uint64_t messages, bytes, errors, pings, outstanding;
static uint64_t begun, end;        /* of the time in which messages are sent, ns */
static uint64_t last_progress, random_state = 88172645463325252ull;
static char first_error[200];

/* Latencies: 64 buckets for each power of two of nanoseconds, so that a bucket is within 1.6 %. */
#define SUB 64
static uint64_t histogram[64 * SUB], counted, greatest;

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void record(uint64_t ns, uint64_t times) {
    int shift = ns < SUB ? 0 : 63 - __builtin_clzll(ns) - 6;
    histogram[shift * SUB + (ns >> shift)] += times;
    counted += times;
    if (ns > greatest)
        greatest = ns;
}

static double percentile(double share) { /* in microseconds */
    uint64_t rank = (uint64_t)(share * (double)counted), seen = 0;
    for (unsigned bucket = 0; bucket < 64 * SUB; bucket++) {
        seen += histogram[bucket];
        if (seen > rank) {
            unsigned shift = bucket < 2 * SUB ? 0 : bucket / SUB - 1;
            return (double)((uint64_t)(bucket - shift * SUB) << shift) / 1e3;
        }
    }
    return (double)greatest / 1e3;
}

__attribute__((format(printf, 1, 2))) static void fail(const char *what, ...) {
    if (!errors++) {
        va_list values;
        va_start(values, what);
        vsnprintf(first_error, sizeof first_error, what, values);
        va_end(values);
    }
}

__attribute__((format(printf, 1, 2), noreturn)) static void usage(const char *what, ...) {
    va_list values;
    va_start(values, what);
    fputs("load: ", stderr);
    vfprintf(stderr, what, values);
    fputs("\nusage: load udp|text|tcpv2|tcpv3 HOST PORT [--connections N] [--pipeline K] [--size A[-B]] "
          "[--seconds S] [--connects | --idle | --pingpong-beside M]\n", stderr);
    va_end(values);
    exit(2);
}

static void *allocate(size_t size) {
    void *memory = calloc(1, size);
    if (memory == NULL) {
        fputs("load: out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

static uint32_t random_number(void) { /* xorshift: sizes only */
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 32);
}

static void put(char *where, uint32_t number) {
    number = htonl(number);
    memcpy(where, &number, 4);
}

/* Letters that depend on a number. */
static void letters(char *where, uint32_t serial, unsigned size) {
    memcpy(where, pool + (serial * 2654435761u >> 16), size);
}

/* A text that differs from those before: a number in hexadecimal, as far as it fits, then letters. */
static void text(char *where, uint32_t serial, unsigned size) {
    static const char digits[] = "0123456789abcdef";
    unsigned head = size < 8 ? size : 8;
    for (unsigned index = 0; index < head; index++)
        where[index] = digits[serial >> 4 * index & 15];
    letters(where + head, serial, size - head);
}

/* Write the next message of a connection into its buffer. */
static void make(struct connection *connection, uint64_t when) {
    unsigned size = connection->low;
    if (connection->high > size)
        size += random_number() % (connection->high - size + 1);
    size_t need = (size_t)size + FIXED;
    if (connection->tail + need > connection->capacity) {
        memmove(connection->bytes, connection->bytes + connection->head, connection->tail - connection->head);
        connection->sent -= connection->head;
        connection->tail -= connection->head;
        connection->head = 0;
    }
    char *where = connection->bytes + connection->tail;
    uint32_t order = ++connection->order, serial = ++made, length = size;
    switch (format) {
    case UDP:
        text(where, serial, size);
        break;
    case TEXT: /* the answer's prefix is expected and not sent: there is never more than one message */
        memcpy(where, ECHO, PREFIX);
        text(where + PREFIX, serial, size);
        length = PREFIX + size;
        connection->sent = connection->tail + PREFIX;
        break;
    case TCPV2:
        where[0] = 1;
        put(where + 1, order);
        put(where + 5, size);
        text(where + HEADER, serial, size);
        memset(where + HEADER + size, '-', 20 - size);
        length = FIXED;
        break;
    case TCPV3:
        where[0] = 1;
        put(where + 1, order);
        put(where + 5, size);
        letters(where + HEADER, serial, size);
        length = HEADER + size;
        break;
    }
    connection->tail += length;
    unsigned place = connection->first + connection->outstanding++;
    if (place >= connection->pipeline)
        place -= connection->pipeline;
    connection->messages[place] = (struct message){length, when};
    connection->unsent += format == UDP;
    outstanding++;
}

static void watch(struct connection *connection, int writes) {
    if (writes == connection->watching_writes)
        return;
    connection->watching_writes = writes;
    struct epoll_event event = {.events = EPOLLIN | (writes ? EPOLLOUT : 0), .data.ptr = connection};
    epoll_ctl(epoll, EPOLL_CTL_MOD, connection->fd, &event);
}

static void transmit(struct connection *connection) {
    while (connection->sent < connection->tail) {
        size_t length = connection->tail - connection->sent;
        if (format == UDP) /* a message a datagram */
            length = connection->messages[(connection->first + connection->outstanding - connection->unsent) %
                                          connection->pipeline].length;
        ssize_t count = send(connection->fd, connection->bytes + connection->sent, length, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count < 0) {
            if (errno != EAGAIN && errno != EINTR)
                fail("send: %s", strerror(errno));
            break;
        }
        connection->sent += (size_t)count;
        connection->unsent -= format == UDP;
    }
    watch(connection, connection->sent < connection->tail);
}

static void fill(struct connection *connection, uint64_t when) {
    while (!draining && connection->outstanding < connection->pipeline)
        make(connection, when);
}

/* Compare what came with what was sent, and count the messages that have come back whole. */
static void take(struct connection *connection, const char *data, size_t length, uint64_t when) {
    size_t sent = connection->sent - connection->head;
    if (format == UDP && length != connection->messages[connection->first].length) {
        fail("a datagram of %zu bytes came back for one of %u: one was lost, or its echo is wrong", length, connection->messages[connection->first].length);
        return;
    }
    if (length > sent || memcmp(data, connection->bytes + connection->head, length) != 0) {
        size_t same = 0;
        while (same < length && same < sent && data[same] == connection->bytes[connection->head + same])
            same++;
        fail("an echo differs from what was sent, at its byte %zu; order %u", connection->arrived + same,
             connection->order - connection->outstanding + 1);
        return;
    }
    connection->head += length;
    bytes += length;
    length += connection->arrived;
    unsigned first = connection->first, left = connection->outstanding;
    uint64_t since = 0, equal = 0;
    int counts = !pings_count_only || connection->is_ping;
    while (left && connection->messages[first].length <= length) {
        struct message *message = &connection->messages[first];
        length -= message->length;
        if (counts) {
            if (message->when != since) {
                if (equal)
                    record(when - since, equal);
                since = message->when;
                equal = 0;
            }
            equal++;
        }
        left--;
        if (++first == connection->pipeline)
            first = 0;
    }
    if (equal)
        record(when - since, equal);
    unsigned done = connection->outstanding - left;
    connection->first = first;
    connection->outstanding = left;
    connection->arrived = (uint32_t)length;
    messages += done;
    outstanding -= done;
    pings += connection->is_ping ? done : 0;
    last_progress = when;
}

/* One read of a connection, and what follows from it. */
static void serve(struct connection *connection) {
    ssize_t count = recv(connection->fd, received, sizeof received, MSG_DONTWAIT);
    if (count < 0) {
        if (errno != EAGAIN && errno != EINTR)
            fail("recv: %s", strerror(errno));
        return;
    }
    if (count == 0 && format != UDP) {
        fail("the server closed a connection with %u answers owed", connection->outstanding);
        return;
    }
    uint64_t when = now();
    take(connection, received, (size_t)count, when);
    fill(connection, when);
    transmit(connection);
}

/* A blocking connection, or -1 with the error counted. */
static int open_socket(void) {
    static unsigned turn;
    int on = 1, fd = socket(AF_INET, format == UDP ? SOCK_DGRAM : SOCK_STREAM, 0);
    if (fd < 0) {
        fail("socket: %s", strerror(errno));
        return -1;
    }
    struct timeval patience = {(time_t)PATIENCE, 0};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (format != UDP) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (server.sin_addr.s_addr == htonl(INADDR_LOOPBACK)) {
            struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + turn++ % 250)};
            setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
            if (bind(fd, (struct sockaddr *)&own, sizeof own) < 0)
                fail("bind: %s", strerror(errno));
        }
    }
    if (connect(fd, (struct sockaddr *)&server, sizeof server) < 0) {
        fail("connect: %s", strerror(errno));
        close(fd);
        return -1;
    }
    return fd;
}

static void prepare(struct connection *connection, unsigned pipeline, unsigned low, unsigned high) {
    connection->fd = -1;
    connection->pipeline = pipeline;
    connection->low = low;
    connection->high = high;
    connection->capacity = 4 * (size_t)pipeline * (high + FIXED);
    connection->bytes = allocate(connection->capacity);
    connection->messages = allocate(pipeline * sizeof *connection->messages);
}

static int start(struct connection *connection) {
    connection->fd = open_socket();
    if (connection->fd < 0)
        return 0;
    connection->watching_writes = 0;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    epoll_ctl(epoll, EPOLL_CTL_ADD, connection->fd, &event);
    return 1;
}

/* Has the server got stuck, or is all done? */
static int goes_on(void) {
    uint64_t when = now();
    if (when >= end)
        draining = 1;
    if (when > last_progress && (double)(when - last_progress) > PATIENCE * 1e9)
        fail("no progress for %g s with %llu answers owed", PATIENCE, (unsigned long long)outstanding);
    return !errors && !(draining && outstanding == 0);
}

static void start_clock(double seconds) {
    begun = last_progress = now();
    end = begun + (uint64_t)(seconds * 1e9);
}

static void stream(struct connection *all, unsigned count, struct connection *ping, double seconds) {
    struct epoll_event events[256];
    for (unsigned index = 0; index < count; index++)
        if (!start(&all[index]))
            return;
    start_clock(seconds);
    for (unsigned index = 0; index < count; index++) {
        fill(&all[index], now());
        transmit(&all[index]);
    }
    while (goes_on()) {
        int ready = epoll_wait(epoll, events, 256, 100);
        for (int index = 0; index < ready && !errors; index++) {
            struct connection *connection = events[index].data.ptr;
            if (connection == ping && index > 0)
                continue; /* it was looked at after the one before */
            if (events[index].events & ~(uint32_t)EPOLLOUT)
                serve(connection);
            else
                transmit(connection);
            if (ping != NULL && connection != ping) /* its time is the server's, not that of our own round */
                serve(ping);
        }
    }
}

static void connects(struct connection *all, unsigned count) {
    struct epoll_event events[256];
    for (unsigned index = 0; index < count; index++) {
        if (!start(&all[index]))
            return;
        fill(&all[index], now());
        transmit(&all[index]);
    }
    while (goes_on()) {
        int ready = epoll_wait(epoll, events, 256, 100);
        for (int index = 0; index < ready && !errors; index++) {
            struct connection *connection = events[index].data.ptr;
            ssize_t length = recv(connection->fd, received, sizeof received, MSG_DONTWAIT);
            if (length <= 0) {
                fail("%s", length ? strerror(errno) : "the server closed a connection with an answer owed");
                break;
            }
            take(connection, received, (size_t)length, now());
            if (connection->outstanding)
                continue;
            close(connection->fd);
            connection->fd = -1;
            if (!draining) {
                uint64_t begun = now();
                connection->order = 0; /* each connection begins anew */
                if (!start(connection))
                    break;
                fill(connection, begun);
                transmit(connection);
            }
        }
    }
}

/* Whole connections, one after the other, each with one echo: then the server has surely accepted it. */
static void idle(struct connection *all, unsigned count) {
    for (unsigned index = 0; index < count && !errors; index++) {
        struct connection *connection = &all[index];
        connection->fd = open_socket();
        if (connection->fd < 0)
            return;
        uint64_t when = now();
        make(connection, when);
        size_t length = connection->tail - connection->sent;
        if (send(connection->fd, connection->bytes + connection->sent, length, MSG_NOSIGNAL) != (ssize_t)length)
            fail("send: %s", strerror(errno));
        connection->sent = connection->tail;
        while (connection->outstanding && !errors) {
            ssize_t got = recv(connection->fd, received, sizeof received, 0);
            if (got <= 0)
                fail("connection %u got no answer", index + 1);
            else
                take(connection, received, (size_t)got, now());
        }
        free(connection->bytes);
        free(connection->messages);
    }
}

static long number(const char *option, const char *value, long least, long most) {
    char *end;
    long result = value ? strtol(value, &end, 10) : 0;
    if (value == NULL || *value == 0 || *end || result < least || result > most)
        usage("%s takes a number from %ld to %ld", option, least, most);
    return result;
}

int main(int count, char **words) {
    unsigned connections = 64, pipeline = 1, low = 32, high = 32, beside = 0;
    int with_connects = 0, with_idle = 0, sized = 0;
    double seconds = 2;
    if (count < 4)
        usage("FORMAT, HOST and PORT are needed");
    for (format = UDP; format <= TCPV3 && strcmp(words[1], names[format]); format++)
        ;
    if (format > TCPV3)
        usage("no format is called %s", words[1]);
    server.sin_family = AF_INET;
    if (inet_pton(AF_INET, words[2], &server.sin_addr) != 1)
        usage("%s is no IPv4 address", words[2]);
    server.sin_port = htons((uint16_t)number("PORT", words[3], 1, 65535));
    for (int index = 4; index < count; index++) {
        const char *option = words[index];
        if (!strcmp(option, "--connects"))
            with_connects = 1;
        else if (!strcmp(option, "--idle"))
            with_idle = 1;
        else {
            const char *value = ++index < count ? words[index] : NULL;
            if (!strcmp(option, "--connections"))
                connections = (unsigned)number(option, value, 1, 60000);
            else if (!strcmp(option, "--pipeline"))
                pipeline = (unsigned)number(option, value, 1, 65536);
            else if (!strcmp(option, "--pingpong-beside"))
                beside = (unsigned)number(option, value, 1, 60000);
            else if (!strcmp(option, "--seconds")) {
                seconds = value ? atof(value) : 0;
                if (!(seconds > 0 && seconds <= 3600))
                    usage("--seconds takes a number up to 3600");
            } else if (!strcmp(option, "--size")) {
                char *dash = value ? strchr(value, '-') : NULL;
                char least[24] = "";
                if (value != NULL)
                    snprintf(least, sizeof least, "%.*s", dash ? (int)(dash - value) : 20, value);
                low = high = (unsigned)number(option, least, 0, MAX_SIZE);
                if (dash)
                    high = (unsigned)number(option, dash + 1, low, MAX_SIZE);
                sized = 1;
            } else
                usage("no option is called %s", option);
        }
    }
    if (format == TCPV2 && !sized)
        low = high = 20;
    if (format == TCPV2 && high > 20)
        usage("a text of tcpv2 has at most 20 bytes");
    if (format == UDP && (low < 1 || high > 65507))
        usage("a datagram has 1 to 65507 bytes");
    if (format == TEXT && (low < 1 || high > 1024))
        usage("a text has 1 to 1024 bytes, so that it comes in one read");
    if (format == TEXT && pipeline > 1)
        usage("text has no frames: --pipeline 1");
    if (with_connects + with_idle + (beside > 0) > 1 || ((with_connects || with_idle || beside) && format == UDP))
        usage("--connects, --idle and --pingpong-beside are one at a time, and for TCP");
    if (with_connects || with_idle)
        pipeline = 1;

    signal(SIGPIPE, SIG_IGN);
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    for (unsigned index = 0; index < sizeof pool; index++) {
        unsigned letter = random_number() % 62;
        pool[index] = (char)(letter < 26 ? 'a' + letter : letter < 52 ? 'A' + letter - 26 : '0' + letter - 52);
    }
    epoll = epoll_create1(0);
    if (beside)
        connections = beside + 1;
    struct connection *all = allocate(connections * sizeof *all), *ping = NULL;
    for (unsigned index = 0; index < connections; index++)
        if (beside && index == 0)
            prepare(&all[index], 1, PING_SIZE, PING_SIZE);
        else
            prepare(&all[index], pipeline, low, high);
    if (beside) {
        ping = &all[0];
        ping->is_ping = pings_count_only = 1;
    }

    start_clock(seconds);
    if (with_idle)
        idle(all, connections);
    else if (with_connects)
        connects(all, connections);
    else
        stream(all, connections, ping, seconds);
    double taken = (double)(now() - begun) / 1e9;

    printf("{\"format\": \"%s\", \"mode\": \"%s\", \"connections\": %u, \"pipeline\": %u, \"size\": [%u, %u], "
           "\"messages\": %llu, \"seconds\": %.6f, \"bytes\": %llu, \"errors\": %llu, ",
           names[format], with_idle ? "idle" : with_connects ? "connects" : beside ? "pingpong" : "echo", connections,
           pipeline, low, high, (unsigned long long)messages, taken, (unsigned long long)bytes,
           (unsigned long long)errors);
    if (beside)
        printf("\"pings\": %llu, ", (unsigned long long)pings);
    printf("\"latency_us\": {\"p50\": %.1f, \"p99\": %.1f, \"max\": %.1f}, \"error\": ", percentile(0.5),
           percentile(0.99), (double)greatest / 1e3);
    printf(errors ? "\"%s\"}\n" : "null}\n", first_error);
    fflush(stdout);
    if (with_idle && !errors)
        while (read(0, received, sizeof received) > 0)
            ;
    return errors ? 1 : 0;
}
