package prometheus

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/flowwatch/flowwatch/pipeline"
	"github.com/flowwatch/flowwatch/pipeline/aggregate"
)

// manySeries is what a pipeline with 20,000 interfaces in its view publishes:
// 100,000 series, sorted by account and interface.
func manySeries() *pipeline.Published {
	p := published()
	v := &p.Views[0]
	v.View = aggregate.View{
		Name: "interface", Metric: "ingress", By: []string{"account-id", "vpc-id", "interface-id"},
		Measure: []string{"flows", "bytes", "packets", "rejected_flows", "syn_only_flows"}, Limit: 20_000,
	}
	v.Counters, v.Gauges = nil, nil
	for i := range 20_000 {
		v.Counters = append(v.Counters, pipeline.Series{
			Labels: []string{fmt.Sprintf("%012d", 111_122_223_333+i/3000), fmt.Sprintf("vpc-%017x", i%50), fmt.Sprintf("eni-%017x", i)},
			Values: []int64{int64(i), int64(i) * 1500, int64(i) * 3, int64(i) / 2, int64(i) / 4},
		})
	}
	return p
}

// Scrapes of 100,000 series as Prometheus makes them: collecting alone, as text,
// and compressed.
func BenchmarkScrape(b *testing.B) {
	p := manySeries()
	c := New(func() *pipeline.Published { return p }, nil)
	b.Run("collect", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			out := make(chan prometheus.Metric, 1024)
			go func() { c.Collect(out); close(out) }()
			for range out {
			}
		}
	})
	r := prometheus.NewRegistry()
	r.MustRegister(c)
	server := httptest.NewServer(promhttp.HandlerFor(r, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	defer server.Close()
	for _, encoding := range []string{"identity", "gzip"} {
		b.Run(encoding, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				b.SetBytes(scrape(b, server.URL, encoding))
			}
		})
	}
}

// scrape reads all of an answer and returns its size.
func scrape(b *testing.B, url, encoding string) int64 {
	b.Helper()
	request, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		b.Fatal(err)
	}
	request.Header.Set("Accept-Encoding", encoding)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	n, err := io.Copy(io.Discard, response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		b.Fatal(response.Status, err)
	}
	return n
}

// The benchmark measures what it says, and a scrape costs what is scraped and
// nothing that grows faster.
func TestAScrapeOfManySeries(t *testing.T) {
	p := manySeries()
	c := New(func() *pipeline.Published { return p }, nil)
	collect := func() (n int) {
		out := make(chan prometheus.Metric, 1024)
		go func() { c.Collect(out); close(out) }()
		for range out {
			n++
		}
		return n
	}
	series := collect()
	if series < 100_000 {
		t.Errorf("%d series are scraped, want 100,000", series)
	}
	// A constant metric of three labels: pairs of pointers to name and value.
	if allocs := testing.AllocsPerRun(1, func() { collect() }); allocs > 16*float64(series) {
		t.Errorf("%.1f allocations a series, want at most 16", allocs/float64(series))
	}
}
