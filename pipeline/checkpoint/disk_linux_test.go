package checkpoint_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func init() {
	children["file size limit"] = fileSizeLimit
	children["full file system"] = fullFileSystem
}

// fileSizeLimit makes growing the file impossible.
func fileSizeLimit(dir string) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	set := func(soft uint64) func() error {
		return func() error {
			return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: soft, Max: limit.Max})
		}
	}
	return fullDisk(dir, set(256<<10), set(limit.Cur))
}

// fullFileSystem makes writing pages impossible: a sparse file still grows.
func fullFileSystem(dir string) error {
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=3m"); err != nil {
		fmt.Println("no mount:", err)
		return nil
	}
	filler := filepath.Join(dir, "filler")
	fill := func() error {
		f, err := os.Create(filler)
		if err != nil {
			return err
		}
		for chunk := make([]byte, 4096); err == nil; {
			_, err = f.Write(chunk)
		}
		return f.Close()
	}
	return fullDisk(dir, fill, func() error { return os.Remove(filler) })
}

func TestFileThatCannotGrow(t *testing.T) {
	cmd := command(t, "file size limit", t.TempDir())
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if out, err := cmd.Output(); err != nil {
		t.Fatalf("%v: %s%s", err, out, &stderr)
	}
}

func TestFileOnAFullDisk(t *testing.T) {
	cmd := command(t, "full file system", t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Skipf("no namespace of our own to mount a small disk in: %v", err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %s%s", err, &stdout, &stderr)
	}
	if strings.HasPrefix(stdout.String(), "no mount") {
		t.Skipf("no small disk: %s", &stdout)
	}
	if !strings.Contains(stdout.String(), syscall.ENOSPC.Error()) {
		t.Errorf("the errors do not say %q: %s", syscall.ENOSPC.Error(), &stdout)
	}
}
