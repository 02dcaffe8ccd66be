//! An application with the SDK for Rust: a session, an error with attachments, a transaction, a log. Prints event ids as JSON.

use std::path::PathBuf;
use std::time::Duration;

use sentry::protocol::{Attachment, AttachmentType};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let dsn = arguments.next().expect("a DSN");
    let folder: PathBuf = arguments.next().expect("a folder").into();
    let options = sentry::ClientOptions::new()
        .release("shop@1.0")
        .environment("test")
        .traces_sample_rate(1.0)
        .auto_session_tracking(true)
        .attach_stacktrace(true);
    let client = sentry::init((dsn, options));
    let error: Result<u8, _> = "no number".parse();
    let id = sentry::with_scope(
        |scope| {
            scope.add_attachment(Attachment {
                buffer: std::fs::read(folder.join("binary.bin")).expect("the file"),
                filename: "binary.bin".to_owned(),
                content_type: Some("application/octet-stream".to_owned()),
                ty: Some(AttachmentType::Attachment),
            });
        },
        || sentry::capture_error(&error.expect_err("letters are no digits")),
    );
    let transaction =
        sentry::start_transaction(sentry::TransactionContext::new("checkout", "task"));
    transaction.start_child("db", "SELECT 1").finish();
    transaction.finish();
    sentry::logger_warn!("the cart is empty");
    sentry::end_session();
    client.close(Some(Duration::from_secs(30)));
    println!("{{\"error\":\"{}\"}}", id.simple());
}
