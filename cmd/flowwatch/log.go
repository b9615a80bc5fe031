package main

import (
	"io"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// newLogger makes the logger of the process: readable lines on a console, one
// JSON object a line otherwise. The level is one of zap's; an unknown one is
// info.
func newLogger(w io.Writer, level string, console, colour bool) *zap.Logger {
	least, err := zapcore.ParseLevel(level)
	if err != nil {
		least = zapcore.InfoLevel
	}
	format := zap.NewProductionEncoderConfig()
	format.TimeKey = "time"
	format.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	format.EncodeDuration = zapcore.StringDurationEncoder
	encoder := zapcore.NewJSONEncoder
	if console {
		encoder = zapcore.NewConsoleEncoder
		format.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
		format.EncodeLevel = zapcore.CapitalLevelEncoder
		format.ConsoleSeparator = "  "
		if colour {
			format.EncodeLevel = zapcore.CapitalColorLevelEncoder
		}
	}
	return zap.New(zapcore.NewCore(encoder(format), zapcore.Lock(zapcore.AddSync(w)), least))
}
