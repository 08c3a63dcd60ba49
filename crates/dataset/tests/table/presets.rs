//! Presets on small files in the form of each data set.

use std::path::Path;

use seminar_dataset::{Corpus, Interactions, PrepareConfig, Preset};

fn prepare(folder: &Path, preset: &str, name: &str) -> Corpus {
    let preset = Preset::named(preset).unwrap();
    let source = Interactions::open(folder, name, preset.schema()).unwrap();
    let config = PrepareConfig { min_user_events: 1, min_item_events: 1, ..preset.config() };
    Corpus::in_memory(&config.prepare(&source).unwrap().data).unwrap()
}

fn names(corpus: &Corpus, user: usize) -> Vec<&str> {
    corpus.history(user).items.iter().map(|&item| corpus.item_name(item)).collect()
}

#[test]
fn last_fm_has_dates_in_three_columns() {
    let folder = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &[u8]| std::fs::write(folder.path().join(file), text).unwrap();
    write("user_taggedartists.dat", b"userID\tartistID\ttagID\tday\tmonth\tyear\n2\t52\t13\t1\t4\t2009\n2\t52\t15\t1\t4\t2009\n2\t63\t13\t1\t9\t1956\n");
    write("artists.dat", "id\tname\turl\tpictureURL\n52\tMorchéeba\thttp://x\thttp://p\n".as_bytes());
    let corpus = prepare(folder.path(), "lastfm-2k", "x");
    assert_eq!(names(&corpus, 0), ["63", "52"]);
    assert!(corpus.history(0).times[0] < 0);
    assert_eq!(corpus.title(2), Some("Morchéeba"));
    assert_eq!(corpus.field("tags").unwrap().of(2).len(), 2);
}

#[test]
fn movielens_in_its_three_forms() {
    let folder = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &[u8]| std::fs::write(folder.path().join(file), text).unwrap();
    write("u.data", b"1\t2\t3\t881250949\n1\t5\t4\t881250940\n");
    write("u.item", b"2|Caf\xE9 \"Noir (1995)|01-Jan-1995||http://x|0|1|0|0|0|0|0|0|1|0|0|0|0|0|0|0|0|0|0\n");
    let corpus = prepare(folder.path(), "movielens-100k", "x");
    assert_eq!((names(&corpus, 0), corpus.title(2)), (vec!["5", "2"], Some("Café \"Noir (1995)")));
    let genres = corpus.field("genres").unwrap();
    assert_eq!(
        genres.of(2).iter().map(|&v| genres.value(v).unwrap()).collect::<Vec<_>>(),
        ["Action", "Drama"]
    );
    write("ratings.dat", b"1::1193::5::978300760\n1::661::3::978302109\n");
    write("movies.dat", b"661::James::Comedy|Musical\n1193::Am\xE9lie (2001)::Comedy\n");
    let corpus = prepare(folder.path(), "movielens-1m", "x");
    assert_eq!((names(&corpus, 0), corpus.title(1)), (vec!["1193", "661"], Some("Amélie (2001)")));
}

#[test]
fn kuairand_tells_clicks_from_likes() {
    let folder = tempfile::tempdir().unwrap();
    let head = "user_id,video_id,date,hourmin,time_ms,is_click,is_like,long_view\n";
    let write = |file: &str, text: String| std::fs::write(folder.path().join(file), text).unwrap();
    write(
        "log_standard_4_22_to_5_08_pure.csv",
        format!("{head}0,7,20220422,700,1650585001000,1,0,0\n0,8,20220422,700,1650585000000,0,0,0\n"),
    );
    write(
        "log_standard_4_08_to_4_21_pure.csv",
        format!("{head}0,9,20220408,700,1649378001000,1,1,0\n0,5,20220408,701,1649378061000,0,0,1.0\n"),
    );
    write("video_features_basic_pure.csv", "video_id,author_id,video_type,upload_type,video_duration,music_id,tag\n7,1,NORMAL,A,10,3,\"12,65\"\n9,1,AD,A,20.0,3,12\n".into());
    let corpus = prepare(folder.path(), "kuairand", "x");
    assert_eq!(names(&corpus, 0), ["9", "5", "7"]);
    let action = |n: usize| corpus.action(corpus.history(0).action(n)).unwrap();
    assert_eq!([action(0), action(1), action(2)], ["like", "long_view", "click"]);
    assert_eq!(corpus.field("tag").unwrap().of(3).len(), 2);
}

#[test]
fn yelp_and_steam_are_lines_of_json_and_of_python() {
    let folder = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &str| std::fs::write(folder.path().join(file), text).unwrap();
    write(
        "review.json",
        "{\"review_id\":\"r\",\"user_id\":\"u\",\"business_id\":\"b\",\"stars\":4.0,\"date\":\"2018-07-07 22:09:11\"}\n",
    );
    write(
        "business.json",
        "{\"business_id\":\"b\",\"name\":\"Bar\",\"city\":\"Rome\",\"stars\":3.5,\"categories\":\"Pubs, Night Life\"}\n{\"business_id\":\"c\",\"categories\":null,\"city\":\"\",\"stars\":1}\n",
    );
    let corpus = prepare(folder.path(), "yelp", "x");
    let categories = corpus.field("categories").unwrap();
    assert_eq!(
        categories.of(1).iter().map(|&v| categories.value(v).unwrap()).collect::<Vec<_>>(),
        ["Pubs", "Night Life"]
    );
    assert_eq!(corpus.history(0).times, [1_531_001_351]);
    write(
        "steam_reviews.json",
        "{u'username': u'ann', u'product_id': u'725280', u'date': u'2017-12-17', u'early_access': False}\n",
    );
    write(
        "steam_games.json",
        "{u'id': u'725280', u'app_name': u'Game', u'genres': [u'Indie', u'Casual'], u'tags': [], u'price': u'Free', u'developer': u'D', u'publisher': u'P'}\n",
    );
    let corpus = prepare(folder.path(), "steam", "x");
    assert_eq!((corpus.title(1), corpus.field("genres").unwrap().of(1).len()), (Some("Game"), 2));
}

#[test]
fn the_published_splits_of_amazon_2023_stay_splits() {
    let folder = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &str| std::fs::write(folder.path().join(file), text).unwrap();
    // With and without a header; the history may be empty.
    write(
        "Toys.train.csv",
        "user_id,parent_asin,rating,timestamp\nu,a,5.0,1400000000123\nu,b,5.0,1400000001123\nv,a,4.0,1400000000000\n",
    );
    write("Toys.valid.csv", "u,c,5.0,1500000000123\n");
    write(
        "Toys.test_w_his.csv",
        "user_id,parent_asin,rating,timestamp,history\nu,d,5.0,1600000000123,a b c\nw,a,5.0,1600000000123,\n",
    );
    let corpus = prepare(folder.path(), "amazon-2023-splits", "Toys");
    assert_eq!((names(&corpus, 0), corpus.split(0)), (vec!["a", "b", "c", "d"], Some([2, 3])));
    assert_eq!((corpus.split(1), corpus.split(2)), (Some([1, 1]), Some([0, 0])));
    assert_eq!(corpus.training_counts().iter().sum::<u32>(), 3);
}

#[test]
fn the_case_of_amazon_2023_by_its_preset() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/cases/amazon_2023");
    let source = seminar_dataset::AmazonReviews::locate(&folder, "Toys").unwrap();
    let data = Preset::named("amazon-2023").unwrap().config().prepare(&source).unwrap().data;
    let corpus = Corpus::in_memory(&data).unwrap();
    assert!(corpus.has_times());
    assert_eq!(corpus.history(0).times[0], 1_400_000_000);
    assert_eq!(corpus.fields().map(|field| field.name()).collect::<Vec<_>>(), ["brand", "category"]);
}
