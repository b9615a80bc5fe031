// Package s3 reads flow logs from S3: objects are announced in an SQS queue,
// by S3 event notifications, EventBridge, or either wrapped by SNS. A queue is
// one partition; a chunk of an object's lines is one payload.
//
// A message is deleted after the commit that holds all its objects; until then
// its visibility is extended. An object is told by bucket, key and etag: one
// announced again is not read again, for 14 days or as long as 16,384 newer
// objects have not come. An object in the middle of which the process ended
// goes on at the offset that was committed, when its message comes again.
//
// An object that can't be read to its end is counted, and its message goes
// back to the queue: the queue's redrive policy decides how often. What stood
// before the damage counts, once.
package s3
