package wire

import (
	"context"
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// coordinatorVersion: from 3 on the answer is flexible and brings nothing that is needed here.
const coordinatorVersion = 2

// SendToCoordinator sends a message to the group's coordinator. The coordinator is looked up at the first use,
// after [Client.ForgetCoordinator], and if it cannot be reached.
func (c *Client) SendToCoordinator(ctx context.Context, group string, req kmsg.Request) (kmsg.Response, error) {
	broker, err := c.coordinator(ctx, group)
	if err != nil {
		return nil, err
	}
	res, err := c.Send(ctx, broker, req)
	if err != nil {
		c.ForgetCoordinator(group)
	}
	return res, err
}

// coordinator returns the broker that coordinates a group. Its errors are the broker's, such as
// kafka.GroupCoordinatorNotAvailable and kafka.GroupAuthorizationFailed.
func (c *Client) coordinator(ctx context.Context, group string) (int32, error) {
	c.mu.Lock()
	broker, known := c.coordinators[group]
	c.mu.Unlock()
	if known {
		return broker, nil
	}
	req := kmsg.NewPtrFindCoordinatorRequest()
	req.SetVersion(coordinatorVersion)
	req.CoordinatorKey = group
	res, err := c.Send(ctx, Any, req)
	if err != nil {
		return 0, fmt.Errorf("the group's coordinator cannot be looked up: %w", err)
	}
	found := res.(*kmsg.FindCoordinatorResponse)
	if found.ErrorCode != 0 {
		return 0, kafka.Error(found.ErrorCode)
	}
	m, err := c.Metadata(ctx)
	if err != nil {
		return 0, err
	}
	if _, named := m.Brokers[found.NodeID]; !named {
		c.Refresh()
		return 0, kafka.GroupCoordinatorNotAvailable
	}
	c.mu.Lock()
	c.coordinators[group] = found.NodeID
	c.mu.Unlock()
	return found.NodeID, nil
}

// ForgetCoordinator makes the next request look up the group's coordinator: a broker answered that it is not,
// or no longer, the coordinator.
func (c *Client) ForgetCoordinator(group string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.coordinators, group)
}

// Moved reports whether a broker answered that it is not, or no longer, the coordinator.
func Moved(err error) bool {
	return errors.Is(err, kafka.NotCoordinatorForGroup) || errors.Is(err, kafka.GroupCoordinatorNotAvailable)
}
