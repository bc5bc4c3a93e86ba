/* An echo server of the four formats in C: one thread, epoll, whole frames only. The limit of what one core does.
 *
 *     cc -O2 -o server server.c
 *     server udp|text|tcpv2|tcpv3
 *
 * It listens on a port of 127.0.0.1 that the system chooses, says which, and prints nothing more.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum format { UDP, TEXT, TCPV2, TCPV3 };
static const char *const names[] = {"udp", "text", "tcpv2", "tcpv3"};

#define VERSION 1
#define FIXED 29               /* a frame of tcpv2 */
#define HEADER 9               /* the header of tcpv3: version, order, size */
#define MAX_SIZE (1024 * 1024) /* the greatest payload that is let in */
#define READ_SIZE (256 * 1024)
#define ECHO "ECHO: "
#define PREFIX 6

struct client {
    int fd;
    int finished;       /* it is closed as soon as it has all that it is owed */
    char *rest;         /* the beginning of a frame */
    size_t rest_length;
    char *owed;         /* what the socket did not take */
    size_t owed_length;
};

static enum format format;
static int epoll;
static char buffer[HEADER + MAX_SIZE + READ_SIZE]; /* shared by all: a client's rest, and what is read after it */

/* How many bytes at the front are whole, valid frames. `wrong` says whether no frame can begin after them. */
static size_t whole(const char *data, size_t length, int *wrong) {
    size_t at = 0;
    while (at < length) {
        uint32_t size = 0;
        size_t need = FIXED;
        if (data[at] != VERSION)
            return *wrong = 1, at;
        if (format == TCPV3) {
            if (length - at < HEADER)
                return at;
            memcpy(&size, data + at + 5, 4);
            need = HEADER + (size_t)(size = ntohl(size));
            if (size > MAX_SIZE)
                return *wrong = 1, at;
        }
        if (length - at < need)
            return at;
        at += need;
    }
    return at;
}

static char *copy(const char *data, size_t length) {
    char *memory = length ? malloc(length) : NULL;
    if (length && memory == NULL)
        abort();
    return length ? memcpy(memory, data, length) : NULL;
}

static void close_client(struct client *client) {
    close(client->fd);
    free(client->rest);
    free(client->owed);
    free(client);
}

/* Send, and keep what the socket does not take: then the client is not read from until it has taken it. */
static void answer(struct client *client, const char *data, size_t length) {
    ssize_t sent = length ? send(client->fd, data, length, MSG_NOSIGNAL) : 0;
    if (sent < 0 && errno != EAGAIN) {
        client->finished = 1;
        sent = (ssize_t)length;
    }
    if (sent < 0)
        sent = 0;
    char *owed = copy(data + sent, length - (size_t)sent);
    int waited = client->owed != NULL;
    free(client->owed);
    client->owed = owed;
    client->owed_length = length - (size_t)sent;
    if (waited != (owed != NULL)) {
        struct epoll_event event = {.events = owed ? EPOLLOUT : EPOLLIN, .data.ptr = client};
        epoll_ctl(epoll, EPOLL_CTL_MOD, client->fd, &event);
    }
}

static void readable(struct client *client) {
    size_t begin = format == TEXT ? PREFIX : client->rest_length;
    if (begin)
        memcpy(buffer, format == TEXT ? ECHO : client->rest, begin);
    ssize_t count = recv(client->fd, buffer + begin, READ_SIZE, 0);
    if (count <= 0) {
        client->finished |= count == 0 || errno != EAGAIN;
        return;
    }
    size_t length = begin + (size_t)count;
    size_t done = format == TEXT ? length : whole(buffer, length, &client->finished);
    free(client->rest);
    client->rest_length = length - done;
    client->rest = copy(buffer + done, client->rest_length);
    answer(client, buffer, done);
}

static void accept_all(int listener) {
    int on = 1, fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct client *client = calloc(1, sizeof *client);
        if (client == NULL)
            abort();
        client->fd = fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    }
}

static void serve_clients(int listener) {
    struct epoll_event events[256];
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll = epoll_create1(0);
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int ready = epoll_wait(epoll, events, 256, -1);
        for (int index = 0; index < ready; index++) {
            struct client *client = events[index].data.ptr;
            if (client == NULL) {
                accept_all(listener);
                continue;
            }
            if (client->owed) {
                char *owed = client->owed; /* freed by answer() */
                answer(client, owed, client->owed_length);
            } else {
                readable(client);
            }
            if (client->finished && client->owed == NULL)
                close_client(client);
        }
    }
}

static void serve_datagrams(int fd) {
    for (;;) {
        struct sockaddr_in peer;
        socklen_t length = sizeof peer;
        ssize_t count = recvfrom(fd, buffer, sizeof buffer, 0, (struct sockaddr *)&peer, &length);
        if (count >= 0)
            sendto(fd, buffer, (size_t)count, 0, (struct sockaddr *)&peer, length);
    }
}

int main(int count, char **words) {
    for (format = UDP; count == 2 && format <= TCPV3 && strcmp(words[1], names[format]); format++)
        ;
    if (count != 2 || format > TCPV3) {
        fputs("usage: server udp|text|tcpv2|tcpv3\n", stderr);
        return 2;
    }
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);

    int fd = format == UDP ? socket(AF_INET, SOCK_DGRAM, 0) : socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    if (bind(fd, (struct sockaddr *)&address, length) < 0 || (format != UDP && listen(fd, SOMAXCONN) < 0) ||
        getsockname(fd, (struct sockaddr *)&address, &length) < 0) {
        perror("server");
        return 1;
    }
    printf("Listening on 127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    if (format == UDP)
        serve_datagrams(fd);
    else
        serve_clients(fd);
}
