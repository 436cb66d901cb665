//go:build linux

// Steady runs a Go program as alike as can be from run to run, so that a failing
// seed of the simulation fails again:
//
//	go run .ci/simulate/steady.go [-times N] [-random N] PROGRAM [ARGUMENT…]
//
// A seed decides what happens to the service, not how Go's scheduler interleaves it.
// That depends on the runtime's own random numbers, which begin with 16 bytes that
// the kernel hands to every process (AT_RANDOM, see getauxval(3)), on threads that run at
// once, on preemption by time and on the garbage collector. So the program starts
// stopped (ptrace(2)), gets 16 fixed bytes, and runs at fixed addresses (personality(2)) on one CPU with
// one thread of Go code, without preemption by time and without garbage collection.
// What is left: a system call that takes long lets another goroutine go first.
//
// -random chooses the bytes. A failure that needs one interleaving out of several is
// looked for with -random 1, 2, 3 …, and then seen again with the number that found it.
//
// It prints how many of the runs failed and how many different outputs there were,
// and exits 1 if any failed.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"syscall"
	"unsafe"
)

func main() {
	times := flag.Int("times", 1, "how many runs")
	random := flag.Int("random", 0, "which random bytes to start from")
	quiet := flag.Bool("quiet", false, "print no run's output")
	flag.Parse()
	if flag.NArg() == 0 {
		flag.Usage()
		os.Exit(2)
	}
	runtime.LockOSThread() // ptrace and affinity are a thread's
	if err := pin(); err != nil {
		fail("one CPU: %v", err)
	}
	const addrNoRandomize = 0x0040000
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PERSONALITY, addrNoRandomize, 0, 0); errno != 0 {
		fail("fixed addresses: %v", errno)
	}
	bytes := sha256.Sum256(binary.LittleEndian.AppendUint64(nil, uint64(*random)))
	failed, outputs := 0, map[[32]byte]int{}
	for range *times {
		out, err := run(flag.Args(), bytes[:16])
		if err != nil {
			failed++
		}
		outputs[sha256.Sum256(taken.ReplaceAll(out, nil))]++
		if !*quiet {
			os.Stdout.Write(out)
		}
	}
	most := 0
	for _, n := range outputs {
		most = max(most, n)
	}
	fmt.Printf("%d of %d runs failed; %d different outputs, the most frequent one %d times\n", failed, *times, len(outputs), most)
	if failed > 0 {
		os.Exit(1)
	}
}

// taken is what differs in a test's output although all else is the same.
var taken = regexp.MustCompile(`[0-9.]+m?s\)?`)

// run starts a program stopped, fixes what its runtime draws random numbers from, and
// waits for its end.
func run(command []string, random []byte) (output []byte, err error) {
	var out bytes.Buffer
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "GODEBUG=asyncpreemptoff=1", "GOGC=off")
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := cmd.Start(); err != nil {
		fail("%s: %v", command[0], err)
	}
	pid := cmd.Process.Pid
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &status, 0, nil); err != nil || !status.Stopped() {
		fail("the program did not stop at its start: %v", err)
	}
	address, err := atRandom(pid)
	if err == nil {
		_, err = syscall.PtracePokeData(pid, address, random)
	}
	if err == nil {
		err = syscall.PtraceDetach(pid)
	}
	if err != nil {
		_ = cmd.Process.Kill()
		fail("fixing the random bytes: %v", err)
	}
	err = cmd.Wait()
	return out.Bytes(), err
}

// atRandom finds where the kernel put a process's random bytes.
func atRandom(pid int) (uintptr, error) {
	const key = 25 // AT_RANDOM
	auxv, err := os.ReadFile(fmt.Sprintf("/proc/%d/auxv", pid))
	if err != nil {
		return 0, err
	}
	for ; len(auxv) >= 16; auxv = auxv[16:] {
		if binary.NativeEndian.Uint64(auxv) == key {
			return uintptr(binary.NativeEndian.Uint64(auxv[8:])), nil
		}
	}
	return 0, fmt.Errorf("process %d has no AT_RANDOM", pid)
}

// pin keeps this thread, and what it starts, on the first CPU.
func pin() error {
	mask := [16]uint64{1}
	if _, _, errno := syscall.RawSyscall(syscall.SYS_SCHED_SETAFFINITY, 0, unsafe.Sizeof(mask), uintptr(unsafe.Pointer(&mask))); errno != 0 {
		return errno
	}
	return nil
}

func fail(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "steady: "+format+"\n", args...)
	os.Exit(2)
}
