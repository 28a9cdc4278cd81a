//! Many callers at once: everyone gets their own answer.

use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use triplane_feature_store::Value;

use crate::world::{NOW_US, World, put, text, weather};

const CONNECTIONS: usize = 64;
const EACH: usize = 157;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_of_10_000_from_64_connections_goes_to_another_caller() {
    let world = World::start().await;
    for caller in 0..CONNECTIONS {
        let values = [Value::Float64(caller as f64), Value::Float32(1.0)];
        put(
            world.store.as_ref(),
            &weather(),
            &[text(&format!("A{caller}"))],
            &values,
            NOW_US,
        )
        .await;
    }
    let address = world.address;
    let callers = (0..CONNECTIONS).map(|caller| {
        tokio::spawn(async move {
            let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
            for index in 0..EACH {
                let (id, distance) = (format!("{caller}-{index}"), index as f64 + 0.5);
                let body = format!(
                    r#"{{"explain":true,"instances":[{{"origin":"A{caller}","dest":"LAX","distance":{distance},"hour":{index}}}]}}"#
                );
                let request = Request::post(format!("http://{address}/v1/models/delay:predict"));
                let request = request.header("x-request-id", &id).body(Full::from(body)).unwrap();
                let answer = client.request(request).await.unwrap().into_body().collect().await.unwrap().to_bytes();
                let answer = String::from_utf8(answer.to_vec()).unwrap();
                assert!(answer.contains(&format!(r#""request_id":"{id}""#)), "{answer}");
                let vector = format!(r#""inputs":[{caller}.0,1.0,null,null,{distance:?},{index}.0]"#);
                assert!(answer.contains(&vector), "{vector} is not in {answer}");
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
}
