/* The least that reading these files once a second can cost: open each once, then pread each at every whole second.
 *
 *     reads SECONDS OFFSET_MS < LIST
 *
 * LIST has a path a line, in the order in which to read. Prints `ready` once all are open, then, for each second,
 *
 *     bytes read, files that failed, CPU time of the pass in ns, how late it began in ns
 *
 * so that whoever reads the output need not trust the sum. OFFSET_MS shifts the pass from the whole second.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 32768, ROOM = 65536, PAGED = 3000 };

static int files[MOST];
static char text[ROOM];

static long long now(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static int open_all(void)
{
	char path[4096];
	int count = 0;

	while (fgets(path, sizeof path, stdin) && count < MOST) {
		path[strcspn(path, "\n")] = 0;
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			perror(path);
		else
			files[count++] = fd;
	}
	return count;
}

int main(int argc, char **argv)
{
	int seconds = argc > 1 ? atoi(argv[1]) : 60;
	long long offset = (argc > 2 ? atoll(argv[2]) : 0) * 1000000LL;
	int count = open_all();

	printf("ready %d\n", count);
	fflush(stdout);
	long long wall = now(CLOCK_REALTIME), due = now(CLOCK_MONOTONIC) + 1000000000LL - wall % 1000000000LL + offset;
	while (seconds-- > 0) {
		struct timespec until = { due / 1000000000LL, due % 1000000000LL };
		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL))
			;
		long long late = now(CLOCK_MONOTONIC) - due, cpu = now(CLOCK_PROCESS_CPUTIME_ID), bytes = 0;
		int failed = 0;
		for (int i = 0; i < count; i++) {
			ssize_t got = pread(files[i], text, ROOM, 0);
			if (got < 0)
				failed++;
			else
				bytes += got;
		}
		cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu;
		printf("%lld %d %lld %lld\n", bytes, failed, cpu, late);
		fflush(stdout);
		due += 1000000000LL;
	}
	return 0;
}
