package process

import (
	"net"
	"testing"
)

func TestAFreeAddressCanBeListenedOnAndIsNobodyElses(t *testing.T) {
	given := map[string]bool{}
	for range 600 {
		address, err := FreeAddress()
		if err != nil {
			t.Fatal(err)
		}
		if given[address] {
			t.Fatalf("%s is given twice", address)
		}
		given[address] = true
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if ip := l.Addr().(*net.TCPAddr).IP; !ip.IsLoopback() {
			t.Fatalf("%s is not the loopback interface's", ip)
		}
	}
}
