package pipeline

import (
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/flowwatch/flowwatch/pipeline/flowlog"
)

// badLines shows a sample of the malformed lines in the log, one a second at
// most; all of them are counted elsewhere.
type badLines struct {
	log  *zap.Logger
	next atomic.Int64 // Unix nanoseconds before which nothing is logged
	left atomic.Int64 // bad lines not shown since the last one
}

// shownBytes is how much of a bad line the log shows.
const shownBytes = 300

func (b *badLines) sample(partition string, reason flowlog.Reason, line []byte, err error) {
	now, next := time.Now().UnixNano(), b.next.Load()
	if now < next || !b.next.CompareAndSwap(next, now+int64(time.Second)) {
		b.left.Add(1)
		return
	}
	fields := []zap.Field{
		zap.String("partition", partition), zap.Stringer("reason", reason),
		zap.ByteString("line", line[:min(len(line), shownBytes)]),
		zap.Int64("not_shown", b.left.Swap(0)),
	}
	if err != nil {
		fields = append(fields, zap.Error(err))
	}
	b.log.Warn("malformed record", fields...)
}
