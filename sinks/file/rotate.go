package file

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"strconv"
)

// room returns how many bytes of whole lines the file takes at its size: all of
// them where it has no limit, and one line at least where it is empty.
func (s *Sink) room(lines []byte, size int64) int {
	if s.cfg.MaxSize == 0 || size+int64(len(lines)) <= s.cfg.MaxSize {
		return len(lines)
	}
	free := max(0, s.cfg.MaxSize-size)
	if n := bytes.LastIndexByte(lines[:free], '\n') + 1; n > 0 || size > 0 {
		return n
	}
	return bytes.IndexByte(lines, '\n') + 1
}

// rotate puts the file away as path.1, what was path.1 as path.2 and so on, and
// opens a new one. A rotation that failed or was cut off half-way goes on where
// it stopped: it has left a gap, and what lies below that moves.
func (s *Sink) rotate() error {
	if file := s.file; file != nil {
		s.file = nil // a file is closed once, whatever that says
		if err := file.Close(); err != nil {
			return err
		}
	}
	gap := 1
	for ; gap <= s.cfg.Keep; gap++ {
		if _, err := os.Lstat(s.former(gap)); errors.Is(err, fs.ErrNotExist) {
			break
		} else if err != nil {
			return err
		}
	}
	if gap > s.cfg.Keep {
		gap = s.cfg.Keep // the oldest goes: it is replaced
	}
	for i := gap; i > 0; i-- {
		if err := os.Rename(s.former(i-1), s.former(i)); err != nil {
			return err
		}
	}
	if s.cfg.Keep == 0 {
		if err := os.Remove(s.cfg.Path); err != nil {
			return err
		}
	}
	return s.open()
}

// former is the name of a file that was put away; 0 is the current one.
func (s *Sink) former(i int) string {
	if i == 0 {
		return s.cfg.Path
	}
	return s.cfg.Path + "." + strconv.Itoa(i)
}
