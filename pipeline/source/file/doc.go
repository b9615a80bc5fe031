// Package file is the source that reads flow logs from files: paths, folders,
// globs and standard input; plain, gzip or zstd, told by their first bytes.
//
// Every file is one partition. A payload is a chunk of whole lines (or of whole
// JSON values), and its position is the offset after it in uncompressed bytes,
// so a file is resumed by skipping to it. Reading is bounded: at most
// Config.Parallel files are read and decompressed at one moment, and the files
// are opened in the order of their first record, each when the others have come
// to its start.
//
// With Config.Follow a partition is one content, wherever it is moved, copied
// or compressed to (follower), and goes on as it grows.
package file
