package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// proxy stands between two parties and does to what passes what a network may do
// to it. Its methods are called from one goroutine at a time.
//
// toxiproxy can hang for ever when a toxic is taken from a connection one of
// whose ends is gone (Shopify/toxiproxy issue 558). So the toxics of a
// connection are those that it began with: a change of weather cuts them all.
type proxy struct {
	addr     string // where it listens, from the start to the end
	upstream string
	weather  []toxic
	now      *toxiproxy.Proxy // nil while it is down
}

// toxic is what happens to all that passes, in both directions.
type toxic struct {
	Type       string         `json:"type"`
	Attributes map[string]any `json:"attributes"`
}

// delayed by so much, more or less.
func delayed(latency, jitter time.Duration) toxic {
	return toxic{"latency", map[string]any{"latency": latency.Milliseconds(), "jitter": jitter.Milliseconds()}}
}

// trickled comes in pieces of about so many bytes, each after a pause.
func trickled(size int, pause time.Duration) toxic {
	return toxic{"slicer", map[string]any{"average_size": size, "size_variation": size / 2, "delay": pause.Microseconds()}}
}

// thin is a line that carries so many kB a second.
func thin(rate int) toxic { return toxic{"bandwidth", map[string]any{"rate": rate}} }

// rejected is reset as soon as something is sent.
func rejected() toxic { return toxic{"reset_peer", map[string]any{"timeout": 0}} }

// swallowed never arrives, and nobody is told.
func swallowed() toxic { return toxic{"timeout", map[string]any{"timeout": 0}} }

// freezeTime is how long freezing connections may take.
const freezeTime = 5 * time.Second

// newProxy is a proxy on a port of its own, up until the run has ended.
func (w *world) newProxy(ctx context.Context, upstream string, weather ...toxic) (*proxy, error) {
	addr, err := w.ports.take(ctx)
	if err != nil {
		return nil, err
	}
	p := &proxy{addr: addr, upstream: upstream, weather: weather}
	w.atEnd(func() error { p.down(); return nil })
	return p, p.up()
}

// up lets connections through.
func (p *proxy) up() error {
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p.now = toxiproxy.NewProxy(server, p.addr, p.addr, p.upstream)
	for _, t := range p.weather {
		if err := p.add(t); err != nil {
			return err
		}
	}
	if err := p.now.Start(); err != nil {
		return fmt.Errorf("proxy to %s: %w", p.upstream, err)
	}
	return nil
}

// down cuts all connections, and refuses new ones.
func (p *proxy) down() {
	if p.now != nil {
		p.now.Stop()
		p.now = nil
	}
}

// cut cuts all connections.
func (p *proxy) cut() error {
	p.down()
	return p.up()
}

// turn cuts all connections; on those that follow the weather is another.
func (p *proxy) turn(weather ...toxic) error {
	p.weather = weather
	return p.cut()
}

// freeze leaves all connections half open: what is sent is swallowed, also on
// those that follow, and no end hears of it. It lasts until they are cut.
func (p *proxy) freeze(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, freezeTime)
	defer cancel()
	frozen := make(chan error, 1)
	go func() { frozen <- p.add(swallowed()) }() // waited for, unless toxiproxy hangs
	select {
	case err := <-frozen:
		return err
	case <-ctx.Done():
		return fmt.Errorf("proxy to %s: %w", p.upstream, ctx.Err())
	}
}

// add adds a toxic for each direction.
func (p *proxy) add(t toxic) error {
	for _, stream := range []string{"upstream", "downstream"} {
		text, err := json.Marshal(struct {
			toxic
			Stream string `json:"stream"`
		}{t, stream})
		if err == nil {
			_, err = p.now.Toxics.AddToxicJson(bytes.NewReader(text))
		}
		if err != nil {
			return fmt.Errorf("proxy to %s: %s: %w", p.upstream, t.Type, err)
		}
	}
	return nil
}
