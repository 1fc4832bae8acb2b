//! The operations of S3 that staging needs. Every other one is answered with `NotImplemented` by `s3s`.

use std::{future::Future, sync::Arc};

use s3s::{
    S3, S3Request, S3Response, S3Result,
    dto::{
        AbortMultipartUploadInput, AbortMultipartUploadOutput, Bucket, CompleteMultipartUploadInput,
        CompleteMultipartUploadOutput, CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource,
        CreateMultipartUploadInput, CreateMultipartUploadOutput, DeleteObjectInput, DeleteObjectOutput,
        DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, ETag, ETagCondition, Error as NotDeleted,
        GetBucketLocationInput, GetBucketLocationOutput, GetObjectInput, GetObjectOutput, HeadBucketInput,
        HeadBucketOutput, HeadObjectInput, HeadObjectOutput, ListBucketsInput, ListBucketsOutput, ListObjectsInput,
        ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output, MetadataDirective, PutObjectInput, PutObjectOutput,
        StreamingBlob, Timestamp, UploadPartInput, UploadPartOutput,
    },
    s3_error,
};
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

use super::{
    check_key,
    files::{Attributes, Conditions, Files, Stored, broken},
    list::{Page, Query, encode},
    receive::receive,
};

const READ_SIZE: usize = 1 << 16;

/// S3 over [`Files`].
#[derive(Debug)]
pub(super) struct Store(pub(super) Arc<Files>);

impl Store {
    /// Work on files, off the threads that serve.
    fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Files) -> S3Result<T> + Send + 'static,
    ) -> impl Future<Output = S3Result<T>> + Send + 'static {
        let files = Arc::clone(&self.0);
        let task = tokio::task::spawn_blocking(move || work(&files));
        async { task.await.map_err(std::io::Error::other).map_err(broken)? }
    }
}

/// What a request says of an object beside its content.
macro_rules! attributes {
    ($input:expr) => {
        Attributes {
            content_type: $input.content_type.clone(),
            content_encoding: $input.content_encoding.clone(),
            content_disposition: $input.content_disposition.clone(),
            content_language: $input.content_language.clone(),
            cache_control: $input.cache_control.clone(),
            metadata: $input.metadata.clone().unwrap_or_default().into_iter().collect(),
            ..Attributes::default()
        }
    };
}

/// The head of an object, in the answer to GET and HEAD.
macro_rules! head {
    ($output:ident, $stored:expr) => {
        $output {
            accept_ranges: Some("bytes".to_owned()),
            content_length: i64::try_from($stored.size).ok(),
            e_tag: Some($stored.etag()),
            last_modified: Some($stored.modified.into()),
            content_type: $stored.attributes.content_type.clone().or_else(|| Some("binary/octet-stream".to_owned())),
            content_encoding: $stored.attributes.content_encoding.clone(),
            content_disposition: $stored.attributes.content_disposition.clone(),
            content_language: $stored.attributes.content_language.clone(),
            cache_control: $stored.attributes.cache_control.clone(),
            metadata: Some($stored.attributes.metadata.clone().into_iter().collect()),
            ..$output::default()
        }
    };
}

#[async_trait::async_trait]
impl S3 for Store {
    async fn list_buckets(&self, _: S3Request<ListBucketsInput>) -> S3Result<S3Response<ListBucketsOutput>> {
        let buckets = self.blocking(|files| files.buckets().map_err(broken)).await?;
        let bucket = |(name, made): (String, std::time::SystemTime)| Bucket {
            name: Some(name),
            creation_date: Some(made.into()),
            ..Bucket::default()
        };
        let buckets = Some(buckets.into_iter().map(bucket).collect());
        Ok(S3Response::new(ListBucketsOutput { buckets, ..ListBucketsOutput::default() }))
    }

    async fn head_bucket(&self, _: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn get_bucket_location(
        &self,
        _: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        // No constraint is what S3 says of us-east-1.
        Ok(S3Response::new(GetBucketLocationOutput::default()))
    }

    async fn list_objects(&self, request: S3Request<ListObjectsInput>) -> S3Result<S3Response<ListObjectsOutput>> {
        let input = request.input;
        let page = self
            .blocking({
                let input = input.clone();
                move |files| {
                    let query = Query {
                        bucket: &input.bucket,
                        prefix: input.prefix.as_deref().unwrap_or_default(),
                        delimiter: input.delimiter.as_deref(),
                        after: input.marker.as_deref(),
                        limit: input.max_keys,
                        encoding: input.encoding_type.as_ref(),
                    };
                    Page::read(files, &query)
                }
            })
            .await?;
        let encoded = |name: Option<String>| name.map(|name| encode(&name, input.encoding_type.as_ref()));
        Ok(S3Response::new(ListObjectsOutput {
            name: Some(input.bucket),
            prefix: encoded(input.prefix),
            delimiter: encoded(input.delimiter),
            marker: encoded(input.marker),
            max_keys: i32::try_from(page.limit).ok(),
            is_truncated: Some(page.next.is_some()),
            next_marker: encoded(page.next),
            contents: Some(page.objects),
            common_prefixes: Some(page.prefixes),
            encoding_type: input.encoding_type.clone(),
            ..ListObjectsOutput::default()
        }))
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = request.input;
        let page = self
            .blocking({
                let input = input.clone();
                move |files| {
                    let query = Query {
                        bucket: &input.bucket,
                        prefix: input.prefix.as_deref().unwrap_or_default(),
                        delimiter: input.delimiter.as_deref(),
                        after: input.continuation_token.as_deref().or(input.start_after.as_deref()),
                        limit: input.max_keys,
                        encoding: input.encoding_type.as_ref(),
                    };
                    Page::read(files, &query)
                }
            })
            .await?;
        let encoded = |name: Option<String>| name.map(|name| encode(&name, input.encoding_type.as_ref()));
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: encoded(input.prefix),
            delimiter: encoded(input.delimiter),
            start_after: encoded(input.start_after),
            max_keys: i32::try_from(page.limit).ok(),
            key_count: i32::try_from(page.objects.len() + page.prefixes.len()).ok(),
            is_truncated: Some(page.next.is_some()),
            continuation_token: input.continuation_token,
            next_continuation_token: page.next,
            contents: Some(page.objects),
            common_prefixes: Some(page.prefixes),
            encoding_type: input.encoding_type.clone(),
            ..ListObjectsV2Output::default()
        }))
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        refuse_parts_and_versions(input.part_number, input.version_id.as_deref())?;
        let (bucket, key) = (input.bucket, input.key);
        let (file, stored) = self.blocking(move |files| files.open(&bucket, &key)).await?;
        check_reader(
            &stored,
            input.if_match.as_ref(),
            input.if_none_match.as_ref(),
            input.if_modified_since.as_ref(),
            input.if_unmodified_since.as_ref(),
        )?;
        let mut file = tokio::fs::File::from_std(file);
        let mut output = head!(GetObjectOutput, stored);
        let mut length = stored.size;
        if let Some(range) = input.range {
            let range = range.check(stored.size)?;
            length = range.end - range.start;
            output.content_length = i64::try_from(length).ok();
            output.content_range = Some(format!("bytes {}-{}/{}", range.start, range.end - 1, stored.size));
            file.seek(std::io::SeekFrom::Start(range.start)).await.map_err(broken)?;
        }
        output.body = Some(StreamingBlob::wrap(ReaderStream::with_capacity(file.take(length), READ_SIZE)));
        Ok(S3Response::new(output))
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = request.input;
        refuse_parts_and_versions(input.part_number, input.version_id.as_deref())?;
        let (bucket, key) = (input.bucket, input.key);
        let (_, stored) = self.blocking(move |files| files.open(&bucket, &key)).await?;
        check_reader(
            &stored,
            input.if_match.as_ref(),
            input.if_none_match.as_ref(),
            input.if_modified_since.as_ref(),
            input.if_unmodified_since.as_ref(),
        )?;
        Ok(S3Response::new(head!(HeadObjectOutput, stored)))
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let input = request.input;
        let attributes = attributes!(input);
        let draft = self.blocking(|files| files.draft().map_err(broken)).await?;
        let received = receive(draft, input.body, &request.headers, request.trailing_headers.as_ref()).await?;
        let attributes = Attributes { etag: received.md5, ..attributes };
        let conditions = Conditions { if_match: input.if_match, if_none_match: input.if_none_match };
        let (bucket, key, draft) = (input.bucket, input.key, received.draft);
        let stored = self.blocking(move |files| files.place(&draft, &bucket, &key, attributes, &conditions)).await?;
        Ok(S3Response::new(PutObjectOutput {
            e_tag: Some(stored.etag()),
            checksum_crc32: received.checksums.checksum_crc32,
            checksum_crc32c: received.checksums.checksum_crc32c,
            checksum_crc64nvme: received.checksums.checksum_crc64nvme,
            checksum_sha1: received.checksums.checksum_sha1,
            checksum_sha256: received.checksums.checksum_sha256,
            ..PutObjectOutput::default()
        }))
    }

    async fn copy_object(&self, request: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        let input = request.input;
        let CopySource::Bucket { bucket: from_bucket, key: from_key, version_id } = input.copy_source.clone() else {
            return Err(s3_error!(NotImplemented, "the sandbox copies from buckets only"));
        };
        refuse_parts_and_versions(None, version_id.as_deref())?;
        check_key(&from_key)?;
        let replaced = input.metadata_directive.as_ref().is_some_and(|it| it.as_str() == MetadataDirective::REPLACE);
        let attributes = replaced.then(|| attributes!(input));
        let copied = self.blocking(move |files| {
            if from_bucket.starts_with('.') || !files.bucket(&from_bucket).is_dir() {
                return Err(s3_error!(NoSuchBucket, "The specified bucket does not exist"));
            }
            let (mut source, stored) = files.open(&from_bucket, &from_key)?;
            check_reader(
                &stored,
                input.copy_source_if_match.as_ref(),
                input.copy_source_if_none_match.as_ref(),
                input.copy_source_if_modified_since.as_ref(),
                input.copy_source_if_unmodified_since.as_ref(),
            )
            .map_err(|_| s3_error!(PreconditionFailed))?;
            let mut draft = files.draft().map_err(broken)?;
            std::io::copy(&mut source, &mut draft.file).map_err(broken)?;
            let etag = stored.attributes.etag.clone();
            let attributes = Attributes { etag, ..attributes.unwrap_or(stored.attributes) };
            files.place(&draft, &input.bucket, &input.key, attributes, &Conditions::default())
        });
        let stored = copied.await?;
        let copy_object_result = Some(CopyObjectResult {
            e_tag: Some(stored.etag()),
            last_modified: Some(stored.modified.into()),
            ..CopyObjectResult::default()
        });
        Ok(S3Response::new(CopyObjectOutput { copy_object_result, ..CopyObjectOutput::default() }))
    }

    async fn delete_object(&self, request: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        let input = request.input;
        refuse_parts_and_versions(None, input.version_id.as_deref())?;
        self.blocking(move |files| files.remove(&input.bucket, &input.key)).await?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let input = request.input;
        let quiet = input.delete.quiet.unwrap_or(false);
        let (gone, kept) = self
            .blocking(move |files| {
                let (mut gone, mut kept) = (Vec::new(), Vec::new());
                for object in input.delete.objects {
                    let removed = refuse_parts_and_versions(None, object.version_id.as_deref())
                        .and_then(|()| check_key(&object.key))
                        .and_then(|()| files.remove(&input.bucket, &object.key));
                    match removed {
                        Ok(()) => gone.push(DeletedObject { key: Some(object.key), ..DeletedObject::default() }),
                        Err(error) => kept.push(NotDeleted {
                            code: Some(error.code().as_str().to_owned()),
                            key: Some(object.key),
                            message: error.message().map(str::to_owned),
                            ..NotDeleted::default()
                        }),
                    }
                }
                Ok((gone, kept))
            })
            .await?;
        Ok(S3Response::new(DeleteObjectsOutput {
            deleted: (!quiet).then_some(gone),
            errors: Some(kept),
            ..DeleteObjectsOutput::default()
        }))
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        let input = request.input;
        let attributes = attributes!(input);
        let (bucket, key) = (input.bucket.clone(), input.key.clone());
        let id = self.blocking(move |files| files.begin_upload(&bucket, &key, attributes)).await?;
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(id),
            ..CreateMultipartUploadOutput::default()
        }))
    }

    async fn upload_part(&self, request: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        let input = request.input;
        let (id, number) = (input.upload_id, input.part_number);
        let draft = self
            .blocking({
                let id = id.clone();
                move |files| {
                    files.check_part(&id, &input.bucket, &input.key, number)?;
                    files.draft().map_err(broken)
                }
            })
            .await?;
        let received = receive(draft, input.body, &request.headers, request.trailing_headers.as_ref()).await?;
        let draft = received.draft;
        self.blocking(move |files| files.place_part(&draft, &id, number)).await?;
        Ok(S3Response::new(UploadPartOutput {
            e_tag: Some(ETag::Strong(received.md5)),
            checksum_crc32: received.checksums.checksum_crc32,
            checksum_crc32c: received.checksums.checksum_crc32c,
            checksum_crc64nvme: received.checksums.checksum_crc64nvme,
            checksum_sha1: received.checksums.checksum_sha1,
            checksum_sha256: received.checksums.checksum_sha256,
            ..UploadPartOutput::default()
        }))
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let input = request.input;
        let parts = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
        let conditions = Conditions { if_match: input.if_match, if_none_match: input.if_none_match };
        let (bucket, key) = (input.bucket.clone(), input.key.clone());
        let stored = self
            .blocking(move |files| files.complete_upload(&input.upload_id, &bucket, &key, &parts, &conditions))
            .await?;
        Ok(S3Response::new(CompleteMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(stored.etag()),
            ..CompleteMultipartUploadOutput::default()
        }))
    }

    async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let input = request.input;
        self.blocking(move |files| files.abort_upload(&input.upload_id, &input.bucket, &input.key)).await?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }
}

fn refuse_parts_and_versions(part: Option<i32>, version: Option<&str>) -> S3Result<()> {
    match (part, version) {
        (Some(_), _) => Err(s3_error!(NotImplemented, "the sandbox does not read single parts of an object")),
        // What S3 calls the version of an object in a bucket without versions.
        (None, None | Some("null")) => Ok(()),
        (None, Some(_)) => Err(s3_error!(NotImplemented, "the sandbox keeps no versions of objects")),
    }
}

/// The conditions of a read, in the order that RFC 9110 gives them.
fn check_reader(
    stored: &Stored,
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
    if_modified_since: Option<&Timestamp>,
    if_unmodified_since: Option<&Timestamp>,
) -> S3Result<()> {
    let etag = stored.etag();
    // HTTP dates have whole seconds.
    let seconds = stored.modified.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
    let modified = Timestamp::from(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds));
    match (if_match, if_unmodified_since) {
        (Some(condition), _) if condition.as_etag().is_some_and(|wanted| !wanted.strong_cmp(&etag)) => {
            return Err(s3_error!(PreconditionFailed));
        }
        (None, Some(since)) if modified > *since => return Err(s3_error!(PreconditionFailed)),
        _ => {}
    }
    match (if_none_match, if_modified_since) {
        (Some(condition), _) if condition.as_etag().is_none_or(|wanted| wanted.weak_cmp(&etag)) => {
            Err(s3_error!(NotModified))
        }
        (None, Some(since)) if modified <= *since => Err(s3_error!(NotModified)),
        _ => Ok(()),
    }
}
