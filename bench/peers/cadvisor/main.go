// cAdvisor's library, watching Docker's containers for what podtick reads too: CPU, memory, network, block I/O.
// /metrics is what its own program answers to Prometheus, of these; /times tells of which moments it holds data:
// {"CONTAINER ID": [Unix time, ...], ...}.
package main

import (
	"encoding/json"
	"flag"
	"log"
	"net/http"
	"time"

	"github.com/google/cadvisor/cache/memory"
	"github.com/google/cadvisor/container"
	_ "github.com/google/cadvisor/container/docker/install"
	info "github.com/google/cadvisor/info/v1"
	v2 "github.com/google/cadvisor/info/v2"
	"github.com/google/cadvisor/manager"
	"github.com/google/cadvisor/metrics"
	"github.com/google/cadvisor/utils/sysfs"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"k8s.io/utils/clock"
)

const kept = 2 * time.Minute // what cAdvisor's own program keeps unless told otherwise

var none = []string{""} // as its own program hands over an empty flag; it looks at the first

var wanted = container.MetricSet{
	container.CpuUsageMetrics:     {},
	container.MemoryUsageMetrics:  {},
	container.NetworkUsageMetrics: {},
	container.DiskIOMetrics:       {},
}

func times(watcher manager.Manager) (map[string][]float64, error) {
	containers, err := watcher.AllDockerContainers(&info.ContainerInfoRequest{NumStats: -1})
	found := make(map[string][]float64, len(containers))
	for _, container := range containers {
		for _, sample := range container.Stats {
			found[container.Id] = append(found[container.Id], float64(sample.Timestamp.UnixNano())/1e9)
		}
	}
	return found, err
}

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "where /times is answered")
	flag.Parse()
	watcher, err := manager.New(memory.New(kept, nil), sysfs.NewRealSysFs(), manager.HousekeepingConfigFlags, wanted,
		http.DefaultClient, none, none, "", 0)
	if err == nil {
		err = watcher.Start()
	}
	if err != nil {
		log.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(metrics.NewPrometheusCollector(watcher, metrics.DefaultContainerLabels, wanted, clock.RealClock{},
		v2.RequestOptions{IdType: v2.TypeName, Count: 1, Recursive: true}))
	http.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	http.HandleFunc("/times", func(response http.ResponseWriter, _ *http.Request) {
		found, err := times(watcher)
		if err != nil {
			http.Error(response, err.Error(), http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(response).Encode(found)
	})
	log.Fatal(http.ListenAndServe(*listen, nil))
}
