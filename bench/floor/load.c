/* Processes for cgroups to hold, which either sleep or change what every file of their cgroup says.
 *
 *     load COUNT PERIOD_MS [COUNT 0: this process itself is the only one]
 *
 * PERIOD_MS 0: sleep for ever. Else, in each period: touch and give back memory, and send a datagram. With a COUNT each
 * process gets a network namespace of its own; their PIDs are printed, one a line, then `ready`. All end with this one.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 300 << 10, PORT_DISCARD = 9 }; /* more than the 64 pages that the kernel charges at once */

static void loopback_up(int udp)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };

	if (ioctl(udp, SIOCSIFFLAGS, &request))
		perror("lo");
}

/* Memory is held in every other period, so that its usage differs between any two looks a period apart. */
static void work(int period_ms, const char *address)
{
	struct timespec pause = { period_ms / 1000, period_ms % 1000 * 1000000L };
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(PORT_DISCARD) };
	int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char *held = NULL;

	inet_pton(AF_INET, address, &to.sin_addr);
	if (!strcmp(address, "127.0.0.1"))
		loopback_up(udp);
	for (;;) {
		nanosleep(&pause, NULL);
		if (held) {
			munmap(held, CHUNK);
			held = NULL;
		} else {
			held = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			memset(held, 1, CHUNK);
		}
		sendto(udp, "x", 1, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof to);
	}
}

static void one(int period_ms, const char *address)
{
	if (period_ms)
		work(period_ms, address);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 0, period_ms = argc > 2 ? atoi(argv[2]) : 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!count)
		one(period_ms, argc > 3 ? argv[3] : "127.0.0.1");
	for (int i = 0; i < count; i++) {
		pid_t pid = fork();
		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (unshare(CLONE_NEWNET))
				perror("unshare");
			one(period_ms, "127.0.0.1");
		}
		printf("%d\n", pid);
	}
	printf("ready\n");
	fflush(stdout);
	while (wait(NULL) > 0)
		;
	return 0;
}
