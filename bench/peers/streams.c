/* The cheapest client of an engine's statistics: a connection a container, and a few numbers of each frame.
 *
 *     streams SOCKET ID...
 *
 * Prints a line a frame: which container (from 0), when the engine read it (Unix time), its CPU time in ns, its memory
 * in bytes. HTTP/1.0, so that the body comes as it is: a frame a line.
 */
#define _GNU_SOURCE
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 1024, ROOM = 65536 };

struct stream {
	size_t length;
	char text[ROOM];
};

static struct stream streams[MOST];
static struct pollfd polled[MOST];

static int subscribe(const char *path, const char *id)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strncpy(address.sun_path, path, sizeof address.sun_path - 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address)) {
		perror(path);
		exit(1);
	}
	dprintf(fd, "GET /containers/%s/stats HTTP/1.0\r\n\r\n", id);
	return fd;
}

static unsigned long long number(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

static void frame(int which, const char *text)
{
	static const char READ[] = "\"read\":\"";
	struct tm read = { 0 };
	const char *at = strstr(text, READ), *fraction;

	if (!at || !(fraction = strptime(at + sizeof READ - 1, "%Y-%m-%dT%H:%M:%S", &read)))
		return; /* the answer's headers */
	printf("%d %.3f %llu %llu\n", which, (double)timegm(&read) + strtod(fraction, NULL),
	       number(text, "\"total_usage\":"), number(text, "\"usage\":"));
}

/* 0 at the stream's end. */
static int receive(int which)
{
	struct stream *stream = &streams[which];
	ssize_t got = read(polled[which].fd, stream->text + stream->length, ROOM - 1 - stream->length);
	char *line = stream->text, *end;

	if (got <= 0)
		return 0;
	stream->length += got;
	stream->text[stream->length] = 0;
	for (; (end = strchr(line, '\n')); line = end + 1) {
		*end = 0;
		frame(which, line);
	}
	stream->length -= line - stream->text;
	memmove(stream->text, line, stream->length);
	fflush(stdout);
	return 1;
}

int main(int argc, char **argv)
{
	int count = argc - 2;

	if (count < 1 || count > MOST)
		return 2;
	for (int i = 0; i < count; i++)
		polled[i] = (struct pollfd){ subscribe(argv[1], argv[i + 2]), POLLIN, 0 };
	for (int open = count; open;) {
		if (poll(polled, count, -1) < 0)
			return 1;
		for (int i = 0; i < count; i++)
			if (polled[i].revents && !receive(i)) {
				close(polled[i].fd);
				polled[i].fd = -1;
				open--;
			}
	}
	return 0;
}
