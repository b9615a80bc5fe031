package file

import (
	"errors"
	"io"
	"os"
)

// errPaused says that a followed file holds nothing more now, and may later.
var errPaused = errors.New("nothing more is there now")

// tail reads a plain file that grows. Not safe for concurrent use.
type tail struct {
	f     *os.File
	at    int64
	final bool // the file does not grow any more: its end is an end
}

// Read implements io.Reader. At the end it returns errPaused, and can go on.
func (t *tail) Read(p []byte) (int, error) {
	n, err := t.f.ReadAt(p, t.at)
	t.at += int64(n)
	if n > 0 {
		return n, nil
	}
	if err == io.EOF && !t.final {
		err = errPaused
	}
	return 0, err
}
