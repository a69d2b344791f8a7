package main

import (
	"log/slog"
	"os"

	"rowcast/config"
)

// newLogger writes to stderr: text for a person, JSON for a machine.
func newLogger(c config.Config) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Log.Level)); err != nil {
		level = slog.LevelInfo // Validate has refused it
	}
	o := &slog.HandlerOptions{Level: level}
	if c.Log.Format == "text" || c.Log.Format == "" && terminal(os.Stderr) {
		return slog.New(slog.NewTextHandler(os.Stderr, o))
	}
	return slog.New(slog.NewJSONHandler(os.Stderr, o))
}

func terminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
