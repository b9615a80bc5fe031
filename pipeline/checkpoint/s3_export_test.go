package checkpoint

import (
	"context"
	"time"
)

// OpenS3Lively is OpenS3 with a holder that shows its life so often that a test
// need not wait, and that is never taken for dead.
func OpenS3Lively(ctx context.Context, cfg S3Config) (*S3, error) {
	b, err := newSDKBucket(&cfg)
	if err != nil {
		return nil, err
	}
	return openBucket(ctx, &cfg, b, pace{renew: 20 * time.Millisecond, watch: 10 * time.Millisecond, takeOver: time.Hour}, nil)
}
