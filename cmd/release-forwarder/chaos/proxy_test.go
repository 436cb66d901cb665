package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// echo is a server that sends back what it gets.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); _ = c.Close() }()
		}
	}()
	return l.Addr().String()
}

// caller is a connection of a forwarder through a proxy.
type caller struct {
	net.Conn
	in *bufio.Reader
}

func call(t *testing.T, n *network, l net.Listener, forwarder int) caller {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	name := clientName(forwarder)
	header := binary.BigEndian.AppendUint16(make([]byte, 12), uint16(len(name)))
	header = append(append(header, name...), '\n')
	if _, err := c.Write(header); err != nil {
		t.Fatal(err)
	}
	return caller{c, bufio.NewReader(c)}
}

// says sends a line and reads it back.
func (c caller) says(line string) error {
	if _, err := c.Write([]byte(line + "\n")); err != nil {
		return err
	}
	return c.hears(line)
}

func (c caller) hears(line string) error {
	got, err := c.in.ReadString('\n')
	if err == nil && got != line+"\n" {
		err = errors.New("heard " + got)
	}
	return err
}

func open(t *testing.T) (*network, net.Listener) {
	t.Helper()
	n := newNetwork()
	t.Cleanup(n.close)
	l, err := n.listen()
	if err != nil {
		t.Fatal(err)
	}
	go n.serve(l, byClientID, 2, echo(t))
	return n, l
}

func greeted(t *testing.T, n *network, l net.Listener, forwarder int) caller {
	t.Helper()
	c := call(t, n, l, forwarder)
	if _, err := c.in.ReadString('\n'); err != nil { // the header comes back
		t.Fatal(err)
	}
	return c
}

func TestACutResetsOneForwarderAndLeavesTheOthers(t *testing.T) {
	n, l := open(t)
	one, two := greeted(t, n, l, 1), greeted(t, n, l, 2)
	end := n.begin(cut{Forwarder: 1})
	if err := one.says("hello"); err == nil {
		t.Error("the cut connection still speaks")
	}
	if _, err := call(t, n, l, 1).in.ReadString('\n'); err == nil {
		t.Error("a new connection is let through")
	}
	if err := two.says("hello"); err != nil {
		t.Errorf("the other is disturbed: %v", err)
	}
	end()
	if err := greeted(t, n, l, 1).says("again"); err != nil {
		t.Errorf("not healed: %v", err)
	}
}

func TestASilentCutDelaysWhatIsSentAndLosesNothing(t *testing.T) {
	n, l := open(t)
	c, other := greeted(t, n, l, 1), greeted(t, n, l, 3)
	end := n.begin(cut{Forwarder: 1, Broker: 2, Silent: true})
	if _, err := c.Write([]byte("into the silence\n")); err != nil {
		t.Fatal(err)
	}
	if err := other.says("not me"); err != nil {
		t.Errorf("the other is disturbed: %v", err)
	}
	_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if got, err := c.in.ReadString('\n'); err == nil {
		t.Fatalf("heard %q", got)
	}
	_ = c.SetReadDeadline(time.Time{})
	end()
	if err := c.hears("into the silence"); err != nil {
		t.Errorf("lost: %v", err)
	}
}

func TestWhomACutHits(t *testing.T) {
	for _, tt := range []struct {
		cut               cut
		forwarder, broker int
		want              bool
	}{
		{cut{Forwarder: 1}, 1, 3, true},
		{cut{Forwarder: 1}, 2, 3, false},
		{cut{Forwarder: 1}, 1, platformSide, false},
		{cut{Forwarder: 1, Broker: 2}, 1, 2, true},
		{cut{Forwarder: 1, Broker: 2}, 1, 3, false},
		{cut{Broker: 2}, 3, 2, true},
		{cut{Broker: 2}, 3, 1, false},
		{cut{Forwarder: 1, Broker: platformSide}, 1, platformSide, true},
		{cut{Forwarder: 1, Broker: platformSide}, 2, platformSide, false},
		{cut{Forwarder: 1, Broker: platformSide}, 1, 1, false},
	} {
		if got := tt.cut.hits(tt.forwarder, tt.broker); got != tt.want {
			t.Errorf("%+v hits %d–%d: %v", tt.cut, tt.forwarder, tt.broker, got)
		}
	}
}
