package fetch

import (
	"context"
	"io"
	"net"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
)

// OverTransport exchanges over kafka-go's Transport, which knows the cluster by the
// bootstrap address addr. The library knows versions up to 11 of a fetch.
func OverTransport(rt kafka.RoundTripper, addr net.Addr) Exchanger {
	return overTransport{rt, addr}
}

type overTransport struct {
	rt   kafka.RoundTripper
	addr net.Addr
}

func (o overTransport) Exchange(ctx context.Context, broker int32, key int16, exchange func(io.ReadWriter, int16) error) error {
	_, err := o.rt.RoundTrip(ctx, o.addr, &raw{ctx: ctx, broker: broker, key: protocol.ApiKey(key), exchange: exchange})
	return err
}

// raw is an exchange on its way through the Transport.
type raw struct {
	ctx      context.Context
	broker   int32
	key      protocol.ApiKey
	exchange func(io.ReadWriter, int16) error
	spoken   int16 // the version the library agreed on with this broker
}

var (
	_ protocol.RawExchanger  = (*raw)(nil)
	_ protocol.BrokerMessage = (*raw)(nil)
)

// ApiKey names the API.
func (x *raw) ApiKey() protocol.ApiKey { return x.key }

// Broker routes the request.
func (x *raw) Broker(cluster protocol.Cluster) (protocol.Broker, error) {
	if b, ok := cluster.Brokers[x.broker]; ok {
		return b, nil
	}
	return protocol.Broker{ID: -1}, kafka.LeaderNotAvailable
}

// Required is always true: the exchange is ours.
func (x *raw) Required(versions map[protocol.ApiKey]int16) bool {
	x.spoken = versions[x.key]
	return true
}

// RawExchange implements protocol.RawExchanger. The Transport waits for the broker even
// if nobody waits for it any more; a deadline in the past ends that.
func (x *raw) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if err := x.ctx.Err(); err != nil {
		return nil, err
	}
	c, ok := rw.(interface{ SetDeadline(time.Time) error })
	if !ok {
		return x, x.exchange(rw, x.spoken)
	}
	stop := context.AfterFunc(x.ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	err := x.exchange(rw, x.spoken)
	if !stop() {
		return nil, context.Cause(x.ctx)
	}
	return x, err
}
