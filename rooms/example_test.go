package rooms_test

import (
	"context"
	"fmt"

	"rowcast/internal/snapshot"
	"rowcast/rooms"
)

func Example() {
	ctx := context.Background()
	hub := rooms.New(rooms.Options{})
	hub.Reset(rooms.Reset{Epoch: "k3f9", Snapshot: snapshot.New(700), Floor: snapshot.New(700)})
	before := hub.Cursor()

	// A transaction of the source: one event, made once for everyone.
	hub.Publish(rooms.Batch{
		Items:    []rooms.Item{{Topics: []string{"topic_7"}, XID: 700, Data: []byte(`{"type":"message_created"}`)}},
		Snapshot: snapshot.New(701),
	})

	// A client that was away: it gets what its cursor does not see.
	s, err := hub.Subscribe(rooms.SubscriberOptions{Level: rooms.Library})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close(context.Canceled)
	if err := s.Join(ctx, rooms.JoinRequest{Ref: []byte("1"), Topics: []string{"topic_7"}, Since: &before}); err != nil {
		fmt.Println(err)
		return
	}
	frames, err := s.Next(ctx, nil)
	for _, f := range frames {
		fmt.Printf("%s\n", f.Data)
	}
	fmt.Println(err)
	// Output:
	// {"type":"message_created"}
	// {"type":"$joined","ref":1,"payload":{"topics":["topic_7"],"replayed":1,"recovered":true,"cursor":"BGszZjm9BQ"}}
	// <nil>
}
