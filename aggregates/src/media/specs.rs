//! The rules of uploaded files, one sentence each.

use super::*;
use crate::testing::{at, given, given_nothing, id, sealed, sha256};

fn store() -> MediaCommand {
    MediaCommand::Store {
        media_id: id(3),
        owner: id(1),
        name: sealed("clip.mp4"),
        bytes: 1_055_736,
        sha256: sha256(7),
        content_type: "video/mp4".to_owned(),
        object: "media/1/3".to_owned(),
        at: at(0),
    }
}

fn stored() -> MediaEvent {
    MediaEvent::MediaStored {
        media_id: id(3),
        owner: id(1),
        name: sealed("clip.mp4"),
        bytes: 1_055_736,
        sha256: sha256(7),
        content_type: "video/mp4".to_owned(),
        object: "media/1/3".to_owned(),
        at: at(0),
    }
}

fn deleted() -> MediaEvent {
    MediaEvent::MediaDeleted {
        object: "media/1/3".to_owned(),
        at: at(5),
    }
}

#[test]
fn an_upload_is_taken_in() {
    given_nothing::<Media>()
        .when(store())
        .then_expect_events(vec![stored()]);
}

#[test]
fn an_upload_is_taken_in_once() {
    given::<Media>([stored()])
        .when(store())
        .then_expect_error(MediaError::AlreadyStored);
}

#[test]
fn a_deleted_files_id_is_not_used_again() {
    given::<Media>([stored(), deleted()])
        .when(store())
        .then_expect_error(MediaError::MediaDeleted);
}

#[test]
fn a_deletion_names_the_blob_that_is_to_go() {
    given::<Media>([stored()])
        .when(MediaCommand::Delete { at: at(5) })
        .then_expect_events(vec![deleted()]);
}

#[test]
fn deleting_twice_changes_nothing() {
    given::<Media>([stored(), deleted()])
        .when(MediaCommand::Delete { at: at(9) })
        .then_expect_events(vec![]);
}

#[test]
fn what_is_not_there_cannot_be_deleted() {
    given_nothing::<Media>()
        .when(MediaCommand::Delete { at: at(5) })
        .then_expect_error(MediaError::NotStored);
}
