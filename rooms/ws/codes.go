package ws

import (
	"errors"
	"fmt"

	"github.com/coder/websocket"

	"rowcast/rooms"
	"rowcast/rooms/auth"
)

// The close codes that are this protocol's own (docs/protocol.md); the others
// are RFC 6455's. 1000 is never among them.
const (
	closeViolation   websocket.StatusCode = 4400
	closeForbidden   websocket.StatusCode = 4403
	closeSilent      websocket.StatusCode = 4408
	closeStuck       websocket.StatusCode = 4413
	closeRateLimited websocket.StatusCode = 4429
)

// closeCodes says with which close code a connection ends that was refused for
// an error code.
var closeCodes = map[rooms.Code]websocket.StatusCode{
	rooms.BadFrame:      closeViolation,
	rooms.BadTopic:      closeViolation,
	rooms.TooManyTopics: closeViolation,
	rooms.Forbidden:     closeForbidden,
	rooms.RateLimited:   closeRateLimited,
	rooms.TooLarge:      websocket.StatusMessageTooBig,
	rooms.Unavailable:   websocket.StatusTryAgainLater,
}

// errGone ends a session whose client is not there to be told anything.
var errGone = errors.New("client is gone")

// ending ends a session with a close frame.
type ending struct {
	code websocket.StatusCode
	last []byte // the frame before it; nil for none
}

func (e ending) Error() string { return fmt.Sprintf("closed with %d", e.code) }

// refusal tells a client why, and ends its session.
func refusal(r auth.Refusal) ending {
	return ending{code: closeCodes[r.Code], last: rooms.ErrorFrame(nil, r.Code, r.Message)}
}

// closeCode is the close code that the cause of an end stands for; 0 for none.
func closeCode(cause error) websocket.StatusCode {
	e, _ := errors.AsType[ending](cause)
	return e.code
}
