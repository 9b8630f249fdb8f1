package server

import (
	"context"
	"crypto/subtle"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"maestro/problem"
	"maestro/storage"
)

// latencyBounds divide the requests by how long they took, in seconds.
var latencyBounds = []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10}

// meter counts what the server does, for Prometheus. Its labels are bounded: the
// templates of routes and the classes of statuses, never a tenant, a user or an
// address.
type meter struct {
	routes    map[meterKey]*routeMeter
	unmatched *routeMeter
	handler   http.Handler
}

type meterKey struct{ method, route string }

// routeMeter are the instruments of one route, looked up once.
type routeMeter struct {
	byClass [5]prometheus.Counter // of 1xx to 5xx
	took    prometheus.Observer
}

func newMeter(s *Server) *meter {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "maestro_http_requests_total",
		Help: "Requests answered, by method, route and class of status."}, []string{"method", "route", "status"})
	took := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "maestro_http_request_duration_seconds",
		Help: "How long requests took, by method and route, from their head to their end.", Buckets: latencyBounds}, []string{"method", "route"})
	of := func(method, route string) *routeMeter {
		m := &routeMeter{took: took.WithLabelValues(method, route)}
		for i := range m.byClass {
			m.byClass[i] = requests.WithLabelValues(method, route, strconv.Itoa(i+1)+"xx")
		}
		return m
	}
	m := &meter{routes: make(map[meterKey]*routeMeter), unmatched: of("any", "unmatched")}
	for _, route := range s.engine.Routes() {
		m.routes[meterKey{route.Method, route.Path}] = of(route.Method, route.Path)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(requests, took, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), &gauges{s})
	m.handler = promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4, DisableCompression: true})
	return m
}

// request counts a request that was answered.
func (m *meter) request(c *gin.Context, took time.Duration) {
	r, ok := m.routes[meterKey{c.Request.Method, c.FullPath()}]
	if !ok {
		r = m.unmatched
	}
	if class := c.Writer.Status()/100 - 1; class >= 0 && class < len(r.byClass) {
		r.byClass[class].Inc()
	}
	r.took.Observe(took.Seconds())
}

// SetMetricsToken lets who presents this token read the metrics from now on, and
// nobody else; "" lets nobody. It may be called at any time.
func (s *Server) SetMetricsToken(token string) { s.readMeter.Store(&token) }

// sendMetrics sends the metrics to whoever has the token for them. Without one
// set, there is nothing at this address.
func (s *Server) sendMetrics(c *gin.Context) {
	want := *s.readMeter.Load()
	if want == "" {
		refuse(c, problem.New(problem.NotFound, "There is nothing at this address."))
		return
	}
	scheme, token, _ := strings.Cut(c.GetHeader("Authorization"), " ")
	if !strings.EqualFold(scheme, "bearer") || subtle.ConstantTimeCompare([]byte(token), []byte(want)) != 1 {
		refuse(c, problem.New(problem.Unauthenticated, "This needs the token that the server's metrics-token says."))
		return
	}
	s.meter.handler.ServeHTTP(c.Writer, c.Request)
}

// gauges are read when they are asked for.
type gauges struct{ server *Server }

var (
	buildGauge     = prometheus.NewDesc("maestro_build_info", "1, with the version of the program and of the schema.", []string{"version", "schema"}, nil)
	readyGauge     = prometheus.NewDesc("maestro_ready", "1 where what /readyz looks at holds, else 0.", []string{"check"}, nil)
	queueGauge     = prometheus.NewDesc("maestro_writer_queue_length", "Writes that wait.", nil, nil)
	writesCount    = prometheus.NewDesc("maestro_writes_total", "Writes, by what became of them: kept, failed, or refused unheard.", []string{"outcome"}, nil)
	commitTimes    = prometheus.NewDesc("maestro_transaction_duration_seconds", "How long write transactions took, with their commit to disk.", nil, nil)
	databaseGauge  = prometheus.NewDesc("maestro_database_bytes", "Size of the database's file.", nil, nil)
	logGauge       = prometheus.NewDesc("maestro_wal_bytes", "Size of the write-ahead log.", nil, nil)
	diskGauge      = prometheus.NewDesc("maestro_disk_free_bytes", "What the data directory's file system has left.", nil, nil)
	tenantsGauge   = prometheus.NewDesc("maestro_tenants", "Tenants of the installation.", nil, nil)
	revokedGauge   = prometheus.NewDesc("maestro_revocations", "Tokens and sessions that are refused before they expire.", nil, nil)
	cacheGauge     = prometheus.NewDesc("maestro_token_cache_entries", "Verified access tokens that are remembered.", nil, nil)
	passFailures   = prometheus.NewDesc("maestro_job_failures_total", "Passes of background work that failed.", []string{"pass"}, nil)
	passTime       = prometheus.NewDesc("maestro_job_last_success_timestamp_seconds", "When background work last succeeded; 0 for never since the start.", []string{"pass"}, nil)
	backupTime     = prometheus.NewDesc("maestro_backup_last_success_timestamp_seconds", "When the last backup that is good was begun; 0 for none.", nil, nil)
	certificateEnd = prometheus.NewDesc("maestro_tls_certificate_expiry_timestamp_seconds", "When the certificate that is served ends; 0 without one, and until an ACME directory has given one.", nil, nil)
	backupSchedule = prometheus.NewDesc("maestro_backup_interval_seconds", "How often a backup is to be made; 0 for only when asked for.", nil, nil)
)

// Describe implements prometheus.Collector.
func (g *gauges) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{buildGauge, readyGauge, queueGauge, writesCount, commitTimes, databaseGauge, logGauge, diskGauge,
		tenantsGauge, revokedGauge, cacheGauge, passFailures, passTime, backupTime, backupSchedule, certificateEnd} {
		to <- d
	}
}

// gaugePatience bounds what is asked of the database for one reading.
const gaugePatience = 5 * time.Second

// Collect implements prometheus.Collector.
func (g *gauges) Collect(to chan<- prometheus.Metric) {
	s := g.server
	ctx, cancel := context.WithTimeout(context.Background(), gaugePatience)
	defer cancel()
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	count := func(d *prometheus.Desc, value int64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value), labels...)
	}
	gauge(buildGauge, 1, s.version, strconv.FormatInt(s.store.Schema(), 10))
	for _, r := range s.readinesses() {
		holds := 1.0
		if r.check(ctx) != "" {
			holds = 0
		}
		gauge(readyGauge, holds, r.name)
	}
	stats, waiting := s.store.WriterStats()
	gauge(queueGauge, float64(waiting))
	count(writesCount, stats.Writes.Load(), "kept")
	count(writesCount, stats.Failed.Load(), "failed")
	count(writesCount, stats.Refused.Load(), "refused")
	to <- transactionTimes(stats)
	if extent, err := s.store.Extent(ctx); err == nil {
		gauge(databaseGauge, float64(extent.DatabaseBytes))
		gauge(logGauge, float64(extent.LogBytes))
		gauge(tenantsGauge, float64(extent.Tenants))
	}
	if free, err := s.store.FreeDisk(); err == nil {
		gauge(diskGauge, float64(free))
	}
	gauge(revokedGauge, float64(s.auth.Revocations()))
	gauge(cacheGauge, float64(s.auth.RememberedTokens()))
	passes := s.store.Maintenance()
	count(passFailures, passes.Failed, "maintenance")
	gauge(passTime, secondsOf(passes.Last), "maintenance")
	last, _ := s.backups.Last()
	gauge(backupTime, secondsOf(last))
	gauge(backupSchedule, s.backups.Scheduled().Seconds())
	gauge(certificateEnd, secondsOf(s.encryption().Ends()))
}

// secondsOf is a time in Unix seconds, 0 for none.
func secondsOf(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

func transactionTimes(stats *storage.WriterStats) prometheus.Metric {
	buckets := make(map[float64]uint64, len(storage.TransactionBounds))
	var sum uint64
	for i := range stats.Within {
		sum += uint64(stats.Within[i].Load())
		if i < len(storage.TransactionBounds) {
			buckets[storage.TransactionBounds[i]] = sum
		}
	}
	return prometheus.MustNewConstHistogram(commitTimes, sum, float64(stats.Nanos.Load())/1e9, buckets)
}
