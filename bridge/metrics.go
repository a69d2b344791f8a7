package bridge

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"rowcast/pglisten"
	"rowcast/rooms"
	"rowcast/rooms/auth"
	"rowcast/rooms/ws"
)

// figures are all that the parts count, read at one moment.
type figures struct {
	source    pglisten.Stats
	canary    canaryFigures
	counts    *translatorCounts
	hub       rooms.Stats
	gate      auth.Stats
	limits    auth.Limits
	functions pglisten.FunctionsStats
	ws        ws.Stats
	streams   int
}

func (d *Daemon) figures() figures {
	f := figures{
		source:  d.source.Stats(),
		canary:  d.canary.figures(),
		counts:  &d.sink.translator.counts,
		hub:     d.hub.Stats(),
		gate:    d.gate.Stats(),
		limits:  d.gate.Limits(),
		ws:      d.ws.Stats(),
		streams: d.sse.Streams(),
	}
	if d.functions != nil {
		f.functions = d.functions.Stats()
	}
	return f
}

// metric is one figure without labels.
type metric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(f *figures) float64
}

func gauge(name, help string, value func(f *figures) float64) metric {
	return metric{prometheus.NewDesc("rowcast_"+name, help, nil, nil), prometheus.GaugeValue, value}
}

func counter(name, help string, value func(f *figures) float64) metric {
	return metric{prometheus.NewDesc("rowcast_"+name+"_total", help, nil, nil), prometheus.CounterValue, value}
}

// sourceStates are the values of pglisten's Stats.State.
var sourceStates = []string{"settling", "asleep", "awake", "polling"}

// reasons are all those of a $resync.
var reasons = []rooms.Reason{
	rooms.CursorExpired, rooms.CursorForeign, rooms.HistoryGap, rooms.SlowConsumer,
	rooms.SourceGap, rooms.Truncated, rooms.Bulk, rooms.Poison,
}

// refusing are the settings that refuse; denials the codes of topics not joined.
var (
	refusing = []string{
		"auth.authenticate", "auth.authorize", "auth.connections", "auth.jwt", "auth.mode", "auth.topics_claim", "http.allowed_origins",
		"limits.connections", "limits.connections_per_address", "limits.frame_bytes", "limits.frames_per_second", "limits.handshake_timeout",
		"limits.handshakes_per_second", "limits.joins_per_second", "limits.topics_per_connection",
	}
	denials = []rooms.Code{rooms.Forbidden, rooms.BadTopic, rooms.TooManyTopics, rooms.Unavailable}
)

// collector reads the parts when it is asked; nothing is counted twice.
type collector struct {
	read    func() figures
	metrics []metric
	state   *prometheus.Desc
	resyncs *prometheus.Desc
	closed  *prometheus.Desc
	refused *prometheus.Desc
	denied  *prometheus.Desc
	asked   *prometheus.Desc
}

func newCollector(read func() figures) *collector {
	return &collector{
		read:    read,
		metrics: slices.Concat(sourceMetrics(), clientMetrics(), authMetrics()),
		state:   prometheus.NewDesc("rowcast_source_state", "1 for the state of the log's reader, which has none while not connected.", []string{"state"}, nil),
		resyncs: prometheus.NewDesc("rowcast_resyncs_total", "Clients told to refetch, by reason.", []string{"reason"}, nil),
		closed:  prometheus.NewDesc("rowcast_ws_closed_total", "WebSocket connections ended, by our close code; 0: without one.", []string{"code"}, nil),
		refused: prometheus.NewDesc("rowcast_refused_total", "Requests, tokens and joins refused, by the setting that refused.", []string{"setting"}, nil),
		denied:  prometheus.NewDesc("rowcast_denied_total", "Topics not joined, by the code that the client got.", []string{"code"}, nil),
		asked:   prometheus.NewDesc("rowcast_auth_question_seconds", "Calls of auth.authorize and auth.authenticate, and what they took.", nil, nil),
	}
}

// sourceMetrics are about the road from Postgres to the hub.
func sourceMetrics() []metric {
	return []metric{
		gauge("source_connected", "1 while the log's reader is connected.", func(f *figures) float64 { return truth(f.source.Connected) }),
		gauge("source_lag_seconds", "Age of the last change when it had been taken.", func(f *figures) float64 { return f.source.Lag.Seconds() }),
		gauge("source_last_poll_timestamp_seconds", "When the log was last read.", func(f *figures) float64 {
			if f.source.LastPoll.IsZero() {
				return 0
			}
			return float64(f.source.LastPoll.UnixMilli()) / 1000
		}),
		gauge("canary_seconds", "What the last canary took from its writing to its room.", func(f *figures) float64 { return f.canary.took.Seconds() }),
		gauge("canary_overdue_seconds", "How late the next canary is.", func(f *figures) float64 { return f.canary.overdue.Seconds() }),
		gauge("source_watches", "Watched tables.", func(f *figures) float64 { return float64(f.source.Watches) }),
		gauge("source_watches_drifted", "Watched tables without their trigger or topic column.", func(f *figures) float64 { return float64(f.source.Drifted) }),
		gauge("source_notify_queue_ratio", "How full the server's NOTIFY queue is.", func(f *figures) float64 { return f.source.QueueUsage }),
		counter("source_connects", "Connections made by the log's reader.", func(f *figures) float64 { return float64(f.source.Connects) }),
		counter("source_polls", "Readings of the log.", func(f *figures) float64 { return float64(f.source.Polls) }),
		counter("source_wakeups", "Notifications by writers.", func(f *figures) float64 { return float64(f.source.Wakeups) }),
		counter("source_promises", "Promises to look unasked.", func(f *figures) float64 { return float64(f.source.Promises) }),
		counter("source_relays", "Notifications to other instances.", func(f *figures) float64 { return float64(f.source.Relays) }),
		counter("source_changes", "Changes read.", func(f *figures) float64 { return float64(f.source.Changes) }),
		counter("source_resets", "Epochs begun.", func(f *figures) float64 { return float64(f.source.Resets) }),
		counter("source_gaps", "Times that unread changes were gone.", func(f *figures) float64 { return float64(f.source.Gaps) }),
		counter("source_rotations", "Slots of the log emptied by this instance.", func(f *figures) float64 { return float64(f.source.Rotated) }),
		counter("events", "Events made.", func(f *figures) float64 { return float64(f.counts.events.Load()) }),
		counter("resyncs_made", "Resyncs made where there was no event to send.", func(f *figures) float64 { return float64(f.counts.resyncs.Load()) }),
		counter("events_truncated", "Events over limits.event_bytes.", func(f *figures) float64 { return float64(f.counts.truncated.Load()) }),
		counter("changes_poisoned", "Changes that nobody could understand.", func(f *figures) float64 { return float64(f.counts.poison.Load()) }),
		counter("topics_refused", "Topic names from templates that are no topic names.", func(f *figures) float64 { return float64(f.counts.badTopics.Load()) }),
	}
}

// clientMetrics are about the road from the hub to the clients.
func clientMetrics() []metric {
	return []metric{
		gauge("rooms", "Topics with members.", func(f *figures) float64 { return float64(f.hub.Rooms) }),
		gauge("memberships", "Members of all topics.", func(f *figures) float64 { return float64(f.hub.Memberships) }),
		gauge("connections", "Connections admitted now.", func(f *figures) float64 { return float64(f.gate.Connections) }),
		gauge("connections_limit", "limits.connections; 0: no limit.", func(f *figures) float64 { return float64(f.limits.Connections) }),
		gauge("ws_sessions", "WebSocket connections now.", func(f *figures) float64 { return float64(f.ws.Sessions) }),
		gauge("sse_streams", "Streams of server-sent events now.", func(f *figures) float64 { return float64(f.streams) }),
		gauge("queued_bytes", "Waiting for slow clients.", func(f *figures) float64 { return float64(f.hub.QueuedBytes) }),
		gauge("history_bytes", "Kept for replay.", func(f *figures) float64 { return float64(f.hub.HistoryBytes) }),
		gauge("history_items", "Events and resyncs kept for replay.", func(f *figures) float64 { return float64(f.hub.HistoryItems) }),
		gauge("history_age_seconds", "Age of the oldest of them.", func(f *figures) float64 { return f.hub.HistoryAge.Seconds() }),
		counter("published", "Events and resyncs published.", func(f *figures) float64 { return float64(f.hub.Published) }),
		counter("deliveries", "Events and resyncs handed to connections live.", func(f *figures) float64 { return float64(f.hub.Delivered) }),
		counter("replays", "Events sent from the history.", func(f *figures) float64 { return float64(f.hub.Replayed) }),
		counter("queue_overflows", "Times that a connection's queue was full.", func(f *figures) float64 { return float64(f.hub.Overflows) }),
	}
}

// authMetrics are about who may be here.
func authMetrics() []metric {
	return []metric{
		gauge("auth_questions_waiting", "Calls of the functions that wait for their turn.", func(f *figures) float64 { return float64(f.gate.Questions.Waiting) }),
		gauge("auth_question_longest_seconds", "The longest call so far.", func(f *figures) float64 { return f.gate.Questions.Longest.Seconds() }),
		counter("auth_questions_failed", "Calls without an answer.", func(f *figures) float64 { return float64(f.gate.Questions.Failed) }),
		counter("auth_questions_dropped", "Calls not made: too many waited, or for too long.", func(f *figures) float64 { return float64(f.gate.Questions.Dropped) }),
		counter("auth_cache_hits", "Topics judged without a call of their own.", func(f *figures) float64 { return float64(f.gate.Shared) }),
		gauge("auth_cache_decisions", "Decisions remembered.", func(f *figures) float64 { return float64(f.gate.Decisions) }),
		gauge("auth_connections", "Connections to the database for the functions.", func(f *figures) float64 { return float64(f.functions.Connections) }),
		gauge("auth_connections_busy", "Those in a call.", func(f *figures) float64 { return float64(f.functions.Busy) }),
		counter("access_changes", "Changes of who may be in a topic.", func(f *figures) float64 { return float64(f.hub.Changes) }),
		gauge("access_changes_remembered", "Those that decisions are held against.", func(f *figures) float64 { return float64(f.hub.Ledger) }),
		counter("evictions", "Memberships that a change of access ended.", func(f *figures) float64 { return float64(f.hub.Evicted) }),
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, m := range c.metrics {
		to <- m.desc
	}
	for _, desc := range []*prometheus.Desc{c.state, c.resyncs, c.closed, c.refused, c.denied, c.asked} {
		to <- desc
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	f := c.read()
	for _, m := range c.metrics {
		to <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(&f))
	}
	for _, state := range sourceStates {
		to <- prometheus.MustNewConstMetric(c.state, prometheus.GaugeValue, truth(f.source.State == state), state)
	}
	for _, reason := range reasons { // those at 0 too: a rate needs a beginning
		to <- prometheus.MustNewConstMetric(c.resyncs, prometheus.CounterValue, float64(f.hub.Resyncs[reason]), string(reason))
	}
	for _, setting := range refusing {
		f.gate.Refused[setting] += 0
	}
	for setting, n := range f.gate.Refused {
		to <- prometheus.MustNewConstMetric(c.refused, prometheus.CounterValue, float64(n), setting)
	}
	for _, code := range denials {
		to <- prometheus.MustNewConstMetric(c.denied, prometheus.CounterValue, float64(f.gate.Denied[code]), string(code))
	}
	to <- prometheus.MustNewConstSummary(c.asked, f.gate.Questions.Asked, f.gate.Questions.Time.Seconds(), nil)
	for code, n := range f.ws.Ended {
		to <- prometheus.MustNewConstMetric(c.closed, prometheus.CounterValue, float64(n), strconv.Itoa(code))
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// metrics serves the collector's figures, and those of the process.
func (d *Daemon) metrics() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		newCollector(d.figures),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
}
