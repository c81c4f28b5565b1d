/* The least lateness that a program can have here: wake at each whole second, and tell how late that was.
 *
 *     sleeps SECONDS
 *
 * Prints a line a wake-up: the whole second (UTC) and how many nanoseconds after it. A second without a line was missed.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(int argc, char **argv)
{
	struct timespec at;
	long last;

	clock_gettime(CLOCK_REALTIME, &at);
	last = at.tv_sec + (argc > 1 ? atol(argv[1]) : 60);
	while (at.tv_sec < last) {
		struct timespec until = { at.tv_sec + 1, 0 };
		while (clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL))
			;
		clock_gettime(CLOCK_REALTIME, &at);
		printf("%ld %ld\n", (long)at.tv_sec, at.tv_nsec);
		fflush(stdout);
	}
	return 0;
}
