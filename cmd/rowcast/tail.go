package main

import (
	"cmp"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"
)

func newTail() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tail TOPIC…",
		Short: "Show the events of topics as they come",
		Long: `tail joins topics of a running daemon and prints what it sends, a line each. A
lost connection is taken up where it was left; where something may have been
missed, a line with $resync says so. A daemon that asks who one is gets the token
of --token or, better, of the variable ROWCAST_TOKEN, which no list of processes
shows; rowcast token makes one.`,
		Example: `  rowcast tail topic_7 messages
  rowcast tail topic_7 --json | jq -c .payload
  rowcast tail topic_7 --since CURSOR`,
		Args: cobra.MinimumNArgs(1),
	}
	target := cmd.Flags().String("url", "ws://127.0.0.1:8080/ws", "the daemon's `address`")
	since := cmd.Flags().String("since", "", "first what came after this `cursor`, the field of an event")
	token := cmd.Flags().String("token", "", "who to be (default: the variable ROWCAST_TOKEN)")
	asJSON := cmd.Flags().Bool("json", false, "print whole frames, as they came")
	cmd.RunE = func(cmd *cobra.Command, topics []string) error {
		address, err := endpoint(*target)
		if err != nil {
			return err
		}
		show := showLine
		if *asJSON {
			show = showFrame
		}
		f := &follower{
			url: address, token: strings.TrimSpace(cmp.Or(*token, os.Getenv("ROWCAST_TOKEN"))), topics: topics, cursor: *since,
			show:   func(e frame) error { return show(cmd.OutOrStdout(), e) },
			notice: func(text string) { cmd.PrintErrln("rowcast:", plain(text)) },
		}
		return f.run(cmd.Context())
	}
	return cmd
}

// endpoint completes an address without a path.
func endpoint(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || !slices.Contains([]string{"ws", "wss", "http", "https"}, u.Scheme) {
		return "", usageError(fmt.Sprintf("--url: must be an address such as ws://127.0.0.1:8080/ws (got %q)", address))
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/ws"
	}
	return u.String(), nil
}

func showFrame(w io.Writer, e frame) error {
	_, err := fmt.Fprintf(w, "%s\n", e.raw)
	return err
}

// showLine prints time, type, topics and payload.
func showLine(w io.Writer, e frame) error {
	at, topics, payload := e.At, e.Topics, string(e.Payload)
	if e.Type == "$resync" {
		at, topics, payload = time.Now(), e.control.Topics, e.control.Reason+": something may have been missed"
	}
	line := fmt.Sprintf("%s  %-20s  %s  %s", at.Local().Format("15:04:05.000"), e.Type, strings.Join(topics, ","), payload)
	_, err := fmt.Fprintln(w, plain(line))
	return err
}

// plain writes what a terminal would obey as JSON writes it: the rows' words are
// those of anybody.
func plain(text string) string {
	var b strings.Builder
	for _, r := range text {
		if unicode.IsControl(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}
