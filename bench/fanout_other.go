//go:build !linux

package bench

import (
	"context"
	"errors"
	"io"
)

func (b *bench) fanout(context.Context, io.Writer) error {
	return errors.New("the fan-out bench needs Linux")
}
