package ws

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/coder/websocket"

	"rowcast/rooms"
	"rowcast/rooms/auth"
)

// The close codes that are this protocol's own (docs/protocol.md); the others
// are RFC 6455's. 1000 is never among them.
const (
	closeViolation       websocket.StatusCode = 4400
	closeUnauthenticated websocket.StatusCode = 4401
	closeForbidden       websocket.StatusCode = 4403
	closeSilent          websocket.StatusCode = 4408
	closeStuck           websocket.StatusCode = 4413
	closeRateLimited     websocket.StatusCode = 4429
)

// closeCodes says with which close code a connection ends that was refused for
// an error code.
var closeCodes = map[rooms.Code]websocket.StatusCode{
	rooms.BadFrame:        closeViolation,
	rooms.BadTopic:        closeViolation,
	rooms.TooManyTopics:   closeViolation,
	rooms.Unauthenticated: closeUnauthenticated,
	rooms.TokenExpired:    closeUnauthenticated,
	rooms.Forbidden:       closeForbidden,
	rooms.RateLimited:     closeRateLimited,
	rooms.TooLarge:        websocket.StatusMessageTooBig,
	rooms.Unavailable:     websocket.StatusTryAgainLater,
}

var (
	// errGone ends a session whose client is not there to be told anything.
	errGone = errors.New("client is gone")

	// errLeft ends one whose client has said that it goes, and is answered by the
	// library.
	errLeft = errors.New("client has closed")
)

// ending ends a session with a close frame.
type ending struct {
	code websocket.StatusCode
	last []byte // the frame before it; nil for none
}

func (e ending) Error() string { return fmt.Sprintf("closed with %d", e.code) }

// refusal tells a client why, and ends its session. ref is that of the frame
// which is refused, if there is one.
func refusal(ref json.RawMessage, r auth.Refusal) ending {
	return ending{code: closeCodes[r.Code], last: rooms.ErrorFrame(ref, r.Code, r.Message)}
}

// closeCode is the close code that the cause of an end stands for, be it ours or
// the hub's; 0 for none.
func closeCode(cause error) websocket.StatusCode {
	switch {
	case errors.Is(cause, rooms.ErrRevoked):
		return closeForbidden
	case errors.Is(cause, rooms.ErrUncertain):
		return websocket.StatusServiceRestart
	}
	e, _ := errors.AsType[ending](cause)
	return e.code
}
